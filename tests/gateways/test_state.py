"""The shared state over REST: read, patched, refused."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
from tests.gateways.rest import Web, web


@pytest.fixture
async def rest(store_url: str) -> AsyncGenerator[Web]:
    async with web(store_url) as served:
        yield served


async def test_a_state_and_a_button_need_no_agent(rest: Web) -> None:
    session = (await rest.post("/v1/sessions", {"title": "Board"})).json()["id"]
    path = f"/v1/sessions/{session}/state"
    assert (await rest.get(path)).json() == {"state": {}, "version": 0}
    done = await rest.ask("PATCH", path, {"patch": [{"op": "add", "path": "/a", "value": 1}], "version": 0})
    assert (done.status_code, done.json()["version"]) == (200, 1)
    late = await rest.ask("PATCH", path, {"patch": [{"op": "remove", "path": "/a"}], "version": 0})
    assert (late.status_code, late.json()["code"], late.json()["details"]) == (409, "conflict", {"version": 1})
    bad = await rest.ask("PATCH", path, {"patch": [{"op": "remove", "path": "/b"}]})
    assert (bad.status_code, bad.json()["code"]) == (422, "bad_input")
    assert (await rest.get(path)).json() == {"state": {"a": 1}, "version": 1}
    assert (await rest.get(path, by="mallory")).status_code == 404
    gate = await rest.post("/v1/gates", {"id": "publish", "name": "publish", "session": session})
    assert (gate.status_code, gate.json()["session"]) == (201, session)
    snapshot = (await rest.get(f"/v1/sessions/{session}")).json()["snapshot"]
    assert (snapshot["state"], snapshot["stateVersion"], len(snapshot["interrupts"])) == ({"a": 1}, 1, 1)
