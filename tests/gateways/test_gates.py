"""Gates over REST: asked for, waited for by a request and by a stream, decided; and the wait asks nobody meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from tests.gateways.rest import Web, token, web
from tests.gateways.test_streaming import Live, live
from tests.waiting import wait_until

from holdfast.commands import deleting, gating
from holdfast.core.identity import Principal
from holdfast.protocol.frames import GateShown

__all__ = ["live"]

BODY = {"id": "deploy-42", "name": "deploy", "payload": {"to": "prod"}, "approvers": {"subjects": ["olga"]}}
YES = {"status": "resolved", "payload": {"approved": True}}


@pytest.fixture
async def rest(store_url: str) -> AsyncGenerator[Web]:
    async with web(store_url) as served:
        yield served


async def seated(served: Web) -> None:
    """Somebody waits for a gate on this server."""
    await wait_until(lambda: len(served.server.drain) == 1, "somebody waits")


async def test_asked_decided_seen(rest: Web) -> None:
    asked = await rest.post("/v1/gates", BODY)
    again = await rest.post("/v1/gates", BODY)
    assert (asked.status_code, again.status_code) == (201, 200)
    assert again.json()["interrupt"] == asked.json()["interrupt"]
    other = await rest.post("/v1/gates", BODY | {"payload": {"to": "moon"}})
    assert (other.status_code, other.json()["code"]) == (409, "gate_reused")
    own_id = asked.json()["interrupt"]["id"]
    assert [one["id"] for one in (await rest.get("/v1/interrupts", by="olga")).json()["interrupts"]] == [own_id]
    assert (await rest.post("/v1/gates/deploy-42/decide", YES)).status_code == 403
    won = await rest.post(f"/v1/gates/{own_id}/decide", YES, by="olga")
    lost = await rest.post(f"/v1/gates/{own_id}/decide", YES | {"ref": "late"}, by="olga")
    assert (won.status_code, lost.status_code) == (200, 409)
    shown = (await rest.get("/v1/gates/deploy-42?wait=30s")).json()
    assert (shown["status"], shown["decision"]) == ("resolved", won.json()["decision"])
    assert (shown["id"], shown["decision"]["via"]) == ("deploy-42", "rest")


async def test_bad_words_are_said_to_be_so(rest: Web) -> None:
    for body, status in (
        ({"name": "deploy"}, 400),
        (BODY | {"id": "a b"}, 400),
        (BODY | {"expires": "soon"}, 422),
        (BODY | {"approvers": {"quorum": 99}}, 400),
        (BODY | {"on_expiry": "maybe"}, 400),
    ):
        assert (await rest.post("/v1/gates", body)).status_code == status, body
    assert (await rest.get("/v1/gates/nothing")).status_code == 404
    await rest.post("/v1/gates", BODY)
    assert (await rest.get("/v1/gates/deploy-42?wait=soon")).status_code == 400


async def test_a_ladder_is_taken_and_shown(rest: Web) -> None:
    ladder = [{"action": "remind", "after": "10 min"}, {"action": "hand_over", "after": "1 h", "to": "role:boss"}]
    asked = await rest.post("/v1/gates", BODY | {"on_expiry": "escalate", "expires": "2 h", "escalate": ladder})
    assert asked.status_code == 201
    shown = asked.json()["interrupt"]
    assert shown["onExpiry"] == "escalate"
    assert [(rung["action"], rung["at"] - shown["openedAt"], rung.get("roles")) for rung in shown["ladder"]] == [
        ("remind", 600_000, None),
        ("hand_over", 3_600_000, ["boss"]),
    ]
    for rung in ({"action": "remind"}, {"action": "shout", "after": "1 h"}, {"action": "hand_over", "after": "1 h"}):
        assert (await rest.post("/v1/gates", BODY | {"id": "other", "escalate": [rung]})).status_code == 400, rung


async def test_a_wait_is_told_and_asks_nobody(rest: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    own_id = (await rest.post("/v1/gates", BODY)).json()["interrupt"]["id"]
    reads: list[str] = []
    read = gating.read

    async def counted(*args: Any) -> GateShown:
        reads.append("read")
        return await read(*args)

    monkeypatch.setattr(gating, "read", counted)
    waiting = asyncio.create_task(rest.get("/v1/gates/deploy-42?wait=1 minute"))
    await seated(rest)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await asyncio.shield(waiting)
    assert len(reads) <= 2  # before it waited, and once it could miss nothing more
    before = len(reads)
    answered = await rest.post(f"/v1/interrupts/{own_id}/answer", YES, by="olga")
    async with asyncio.timeout(5):
        assert (await waiting).json()["decision"] == answered.json()["decision"]
    assert len(reads) - before <= 2


async def test_a_wait_that_is_over_leaves_it_open(rest: Web) -> None:
    await rest.post("/v1/gates", BODY)
    shown = await rest.get("/v1/gates/deploy-42?wait=20 ms")
    assert (shown.status_code, shown.json()["status"]) == (200, "open")


async def test_who_hangs_up_gives_their_seat_back(live: Live) -> None:
    await live.web.post("/v1/gates", BODY)
    reader, writer = await asyncio.open_connection("127.0.0.1", live.server.servers[0].sockets[0].getsockname()[1])
    request = f"GET /v1/gates/deploy-42?wait=60s HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token('alice')}\r\n\r\n"
    writer.write(request.encode())
    await seated(live.web)
    writer.close()
    await wait_until(lambda: len(live.web.server.drain) == 0, "nobody waits any more")
    assert await reader.read() == b""


async def test_a_wait_ends_with_its_session(rest: Web) -> None:
    gate = (await rest.post("/v1/gates", BODY)).json()
    waiting = asyncio.create_task(rest.get("/v1/gates/deploy-42?wait=1 minute"))
    await seated(rest)
    await deleting.delete(rest.backend, Principal("alice"), gate["session"], "d1", "test")
    async with asyncio.timeout(5):
        assert (await waiting).status_code == 410


async def test_who_may_not_read_there_may_answer_and_not_wait(rest: Web) -> None:
    gate = (await rest.post("/v1/gates", BODY)).json()
    own_id = gate["interrupt"]["id"]
    assert (await rest.get(f"/v1/gates/{own_id}", by="olga")).json()["canAnswer"] is True
    assert (await rest.get(f"/v1/gates/{own_id}?wait=1s", by="olga")).status_code == 404
    assert (await rest.get(f"/v1/gates/{own_id}", by="mallory")).status_code == 404


async def test_a_stream_shows_each_vote_and_ends_with_the_decision(live: Live) -> None:
    served = live.web
    quorum = BODY | {"approvers": {"subjects": ["olga", "otto"], "quorum": 2}}
    own_id = (await served.post("/v1/gates", quorum)).json()["interrupt"]["id"]
    async with live.reading("/v1/gates/deploy-42") as reader:
        assert (await reader.next("gate"))["status"] == "open"
        assert (await served.post(f"/v1/gates/{own_id}/decide", YES, by="olga")).status_code == 202
        assert [vote["by"]["id"] for vote in (await reader.next("gate"))["interrupt"]["votes"]] == ["olga"]
        assert (await served.post(f"/v1/gates/{own_id}/decide", YES, by="otto")).status_code == 200
        last = await reader.next("gate")
        assert (last["status"], last["decision"]["payload"]["approved"]) == ("resolved", True)
        async with asyncio.timeout(5):
            await reader.ended()


async def test_a_stream_that_is_refused_is_a_problem(live: Live) -> None:
    async with live.reading("/v1/gates/nothing") as reader:
        assert reader.response.status_code == 404
    own_id = (await live.web.post("/v1/gates", BODY)).json()["interrupt"]["id"]
    async with live.reading(f"/v1/gates/{own_id}", by="olga") as reader:
        assert (reader.response.status_code, reader.response.headers["content-type"]) == (
            404,
            "application/problem+json",
        )


async def test_waits_end_when_the_server_goes(rest: Web) -> None:
    await rest.post("/v1/gates", BODY)
    waiting = asyncio.create_task(rest.get("/v1/gates/deploy-42?wait=1 minute"))
    await seated(rest)
    rest.server.drain.hurry()
    await rest.server.drain.run()
    assert (await waiting).json()["status"] == "open"
