"""Notices for operators: what was given up, over REST; the backlog in the metrics."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.gateways.rest import Web, token, web
from tests.notify.receiver import KEY, Receiver
from tests.waiting import wait_until

OPERATOR: dict[str, Any] = {"roles": ["operator"], "sessions": ["*"]}


def as_operator(**claims: Any) -> dict[str, Any]:
    return {"by": None, "headers": {"Authorization": f"Bearer {token('olga', **{**OPERATOR, **claims})}"}}


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver().serving() as serving:
        yield serving


@pytest.fixture
async def server(store_url: str, receiver: Receiver) -> AsyncIterator[Web]:
    async with web(store_url, webhook=(receiver.url,), webhook_secret=(KEY,)) as made:
        yield made


async def given_up(server: Web, receiver: Receiver) -> list[dict[str, Any]]:
    """An interrupt whose notice the receiver never wants."""
    receiver.status = 410
    scene = await server.scene()
    await scene.ask()
    found: list[dict[str, Any]] = []

    async def listed() -> bool:
        reply = await server.get("/v1/notices/dead", **as_operator())
        found[:] = reply.json()["notices"]
        return bool(found)

    await wait_until(listed, "the notice is given up")
    return found


async def test_what_was_given_up_is_listed_and_sent_again(server: Web, receiver: Receiver) -> None:
    [dead] = await given_up(server, receiver)
    assert (dead["kind"], dead["attempts"], dead["target"]) == ("interrupt.opened", 1, receiver.url)
    assert dead["why"].startswith("410")
    receiver.status = 200
    reply = await server.post("/v1/notices/dead/replay", {"ids": [dead["id"]]}, **as_operator())
    assert reply.json() == {"replayed": 1, "left": 0}
    await receiver.wait_requests(2)
    assert len({request.id for request in receiver.requests}) == 1
    again = await server.post("/v1/notices/dead/replay", {"ids": [dead["id"]]}, **as_operator())
    assert again.json() == {"replayed": 0, "left": 1}
    assert (await server.get("/v1/notices/dead", **as_operator())).json() == {"notices": []}


async def test_all_of_them_are_sent_again(server: Web, receiver: Receiver) -> None:
    await given_up(server, receiver)
    receiver.status = 200
    assert (await server.post("/v1/notices/dead/replay", {}, **as_operator())).json()["replayed"] == 1
    await receiver.wait_requests(2)


async def test_pages_go_on_where_they_ended(server: Web, receiver: Receiver) -> None:
    receiver.status = 410
    scene = await server.scene()
    for _ in range(3):
        await scene.ask()

    async def all_listed() -> bool:
        return len((await server.get("/v1/notices/dead", **as_operator())).json()["notices"]) == 3

    await wait_until(all_listed, "three are given up")
    seen: list[str] = []
    path = "/v1/notices/dead?limit=2"
    while True:
        page = (await server.get(path, **as_operator())).json()
        seen += [one["id"] for one in page["notices"]]
        if "next" not in page:
            break
        path = f"/v1/notices/dead?limit=2&cursor={page['next']}"
    assert len(seen) == len(set(seen)) == 3


@pytest.mark.parametrize("claims", [{"roles": []}, {"sessions": ["mine"]}])
async def test_they_are_for_operators_of_everything(server: Web, claims: dict[str, Any]) -> None:
    for method, path in (("GET", "/v1/notices/dead"), ("POST", "/v1/notices/dead/replay")):
        assert (await server.ask(method, path, **as_operator(**claims))).status_code == 403


@pytest.mark.parametrize("own_id", ["x", "1-0-99999-1", "1-0", "1-0-1:2"])
async def test_what_is_no_id_is_refused(server: Web, own_id: str) -> None:
    reply = await server.post("/v1/notices/dead/replay", {"ids": [own_id]}, **as_operator())
    assert reply.status_code == 400
    assert (await server.get(f"/v1/notices/dead?cursor={own_id}", **as_operator())).status_code == 400


async def test_an_id_of_nothing_is_left(server: Web) -> None:
    ids = ["1-0-1", "1-0-99999"]
    reply = await server.post("/v1/notices/dead/replay", {"ids": ids}, **as_operator())
    assert reply.json() == {"replayed": 0, "left": 2}


async def test_the_backlog_is_in_the_metrics(server: Web, receiver: Receiver) -> None:
    await given_up(server, receiver)
    text = (await server.get("/metrics", by=None)).text
    assert re.search(r"^holdfast_notices_given_up 1\.0$", text, re.MULTILINE)
    assert re.search(r"^holdfast_notices_waiting 0\.0$", text, re.MULTILINE)


async def test_told_outside_a_turn(server: Web, receiver: Receiver) -> None:
    body = {"ref": "nightly-42", "text": "The backup is done.", "to": ["role:ops"]}
    told, again = await server.post("/v1/notices", body), await server.post("/v1/notices", body)
    assert (told.status_code, again.json()) == (201, told.json())
    [request] = await receiver.wait_requests(1)
    data = request.json["data"]
    assert (data["text"], data["to"], data["session"]) == (body["text"], ["role:ops"], told.json()["session"])
    assert "turn" not in data
    assert "interrupt" not in data
