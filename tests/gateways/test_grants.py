"""Grants over REST: previewed, given with an answer, listed, revoked; and by the command line the same."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
from click.testing import CliRunner
from tests.gateways.rest import Web, web

from holdfast.cli import grants as cli
from holdfast.cli import main


@pytest.fixture
async def rest(store_url: str) -> AsyncGenerator[Web]:
    async with web(store_url) as served:
        yield served


async def test_from_the_preview_to_the_end(rest: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = await rest.scene()
    shown = await scene.ask(grantable=True)
    wish = {"scope": "person", "input": {"amount": {"lte": 300}}}
    path = f"/v1/interrupts/{shown.id}"

    seen = (await rest.post(f"{path}/grant", {"grant": wish})).json()
    assert seen["words"].startswith("Always allow refund with amount lte 300, whenever alice has the agent support")
    assert (await rest.get("/v1/grants")).json() == {"grants": []}
    wrong = await rest.post(f"{path}/grant", {"grant": {"scope": "person", "input": {"amount": 1}}})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "bad_input")
    assert (await rest.post(f"{path}/grant", {"grant": True})).status_code == 400
    assert (await rest.post(f"{path}/grant", {"grant": wish}, by="mallory")).status_code == 404

    answer = {"status": "resolved", "payload": {"approved": True, "grant": wish}, "ref": "a1"}
    won = (await rest.post(f"{path}/answer", answer)).json()
    assert (won["outcome"], won["grant"]) == ("won", seen["grant"]["id"])
    assert (await rest.post(f"{path}/answer", answer)).json() == won

    [listed] = (await rest.get("/v1/grants")).json()["grants"]
    assert (listed["id"], listed["person"], listed["by"]["id"]) == (won["grant"], "alice", "alice")
    assert (await rest.get("/v1/grants", by="mallory")).json() == {"grants": []}

    monkeypatch.setattr(cli, "ask", lambda _method, _path: {"grants": [listed]})
    line = CliRunner().invoke(main, ["grants", "list"]).output
    assert line.startswith(f"{listed['id']}  {listed['words']} Given by alice, until ")

    home = f"/v1/grants/{won['grant']}"
    assert (await rest.ask("DELETE", home, by="mallory")).status_code == 404
    assert (await rest.ask("DELETE", f"{home}?ref=d1")).status_code == 200
    assert (await rest.ask("DELETE", f"{home}?ref=d1")).status_code == 200
    assert (await rest.get("/v1/grants")).json() == {"grants": []}
    assert (await rest.ask("DELETE", "/v1/grants/g_none")).status_code == 404
    assert (await rest.get("/v1/grants?cursor=x")).status_code == 400
