"""REST: the contract's routes, each refusal a problem with our code, and a description that is complete."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.routing import Mount
from starlette.routing import Route as Path_
from tests.gateways.rest import SECRET, Web, token, web

from holdfast import wiring
from holdfast.core.identity import Principal
from holdfast.core.interrupts import Approvers
from holdfast.gateways import http
from holdfast.gateways.rest.openapi import describe
from holdfast.gateways.rest.routes import ROUTES
from holdfast.settings import Settings, SettingsError

YES = {"status": "resolved", "payload": {"approved": True}}


@pytest.fixture
async def rest(store_url: str) -> AsyncGenerator[Web]:
    async with web(store_url) as served:
        yield served


def code(response: httpx2.Response) -> str:
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == response.status_code
    assert {"type", "title", "detail", "retry"} <= problem.keys()
    return problem["code"]


async def test_a_session_from_its_start_to_its_end(rest: Web) -> None:
    started = await rest.post("/v1/sessions", {"agent": "support", "message": "hello", "title": "A-17"})
    assert started.status_code == 201
    session = started.json()
    assert started.headers["location"] == f"/v1/sessions/{session['id']}"
    assert {"id", "epoch", "seq"} <= session.keys()
    home = f"/v1/sessions/{session['id']}"

    shown = (await rest.get(home)).json()
    assert (shown["epoch"], shown["seq"]) == (session["epoch"], session["seq"])
    assert shown["snapshot"]["messages"][0]["parts"][0]["text"] == "hello"

    sent = await rest.post(f"{home}/messages", {"message": "more", "ref": "m1"})
    assert sent.status_code == 201
    assert (await rest.post(f"{home}/messages", {"message": "more", "ref": "m1"})).json() == sent.json()

    assert (await rest.ask("PUT", f"{home}/members/bob")).status_code == 200
    assert (await rest.get(home, by="bob")).status_code == 200
    assert (await rest.ask("DELETE", f"{home}/members/bob")).status_code == 200
    assert code(await rest.get(home, by="bob")) == "not_found"

    listed = (await rest.get("/v1/sessions?limit=10")).json()["sessions"]
    assert [item["session"]["title"] for item in listed] == ["A-17"]

    assert (await rest.ask("DELETE", home)).status_code == 200
    gone = await rest.get(home)
    assert (gone.status_code, code(gone)) == (410, "gone")


async def test_an_input_of_null_starts_a_turn_and_none_does_not(rest: Web) -> None:
    assert "turn" in (await rest.post("/v1/sessions", {"agent": "support", "input": None})).json()
    assert "turn" not in (await rest.post("/v1/sessions", {"agent": "support"})).json()


async def test_answers_say_by_their_status_how_they_ended(rest: Web) -> None:
    scene = await rest.scene()
    shown = await scene.ask_and_wait()
    inbox = (await rest.get("/v1/interrupts")).json()
    assert [one["id"] for one in inbox["interrupts"]] == [shown.id]
    won = await rest.post(f"/v1/interrupts/{shown.id}/answer", {**YES, "ref": "a1"})
    assert (won.status_code, won.json()["outcome"]) == (200, "won")
    again = await rest.post(f"/v1/sessions/{scene.session}/interrupts/{shown.id}/answer", {**YES, "ref": "a1"})
    assert (again.status_code, again.json()) == (200, won.json())
    lost = await rest.post(f"/v1/interrupts/{shown.id}/answer", YES)
    assert (lost.status_code, lost.json()["outcome"]) == (409, "lost")
    assert lost.json()["decision"] == won.json()["decision"]
    history = (await rest.get(f"/v1/interrupts/{shown.id}")).json()["history"]
    assert [one["event"]["type"] for one in history] == ["interrupt.opened", "interrupt.closed"]
    assert (await rest.get("/v1/interrupts")).json()["interrupts"] == []


async def test_many_answers_have_a_result_each(rest: Web) -> None:
    scene = await rest.scene()
    shown = [await scene.ask() for _ in range(2)]
    answers = [{"session": scene.session, "interrupt": each.id, **YES} for each in shown]
    answers[0]["status"] = "perhaps"
    reply = await rest.post("/v1/interrupts/answers", {"answers": answers})
    assert reply.status_code == 200
    bad, won = reply.json()["results"]
    assert (bad["error"]["code"], won["outcome"], won["interrupt"]) == ("bad_request", "won", shown[1].id)


async def test_an_operator_withdraws(rest: Web) -> None:
    scene = await rest.scene()
    shown = await scene.ask_and_wait()
    path = f"/v1/interrupts/{shown.id}/withdraw"
    assert (await rest.post(path, {})).status_code == 403
    headers = {"Authorization": f"Bearer {token('olga', roles=['operator'])}"}
    won = await rest.post(path, {"reason": "moot"}, headers=headers)
    assert (won.status_code, won.json()["decision"]["payload"]) == (200, {"reason": "moot"})
    lost = await rest.post(path, {}, headers=headers)
    assert (lost.status_code, lost.json()["decision"]["status"]) == (409, "withdrawn")


async def test_an_operator_takes_over_and_hands_back(rest: Web) -> None:
    scene = await rest.scene()
    path = f"/v1/sessions/{scene.session}"
    headers = {"Authorization": f"Bearer {token('olga', roles=['operator'], sessions=['*'])}"}
    assert (await rest.post(f"{path}/takeover", {})).status_code == 403
    taken = await rest.post(f"{path}/takeover", {}, headers=headers)
    assert (taken.status_code, taken.json()["turn"]) == (200, scene.turn_id)
    shown = (await rest.get(path)).json()["snapshot"]["session"]
    assert shown["takeover"]["by"]["id"] == "olga"
    queued = await rest.post(f"{path}/messages", {"message": "hello?", "mode": "replace"})
    assert (queued.status_code, queued.json()["behind"], queued.json()["ahead"]) == (201, scene.turn_id, 1)
    assert (await rest.post(f"{path}/handback", {"answered": True}, headers=headers)).status_code == 200
    again = await rest.post(f"{path}/handback", {}, headers=headers)
    assert (again.status_code, again.json()["code"]) == (409, "conflict")


async def test_a_vote_that_does_not_decide_is_accepted(rest: Web) -> None:
    scene = await rest.scene()
    shown = await scene.ask_and_wait(approvers=Approvers(("manager",), quorum=2))
    path = f"/v1/interrupts/{shown.id}/answer"
    people = [{"Authorization": f"Bearer {token(name, roles=['manager'])}"} for name in ("ann", "ben")]
    recorded = await rest.post(path, YES, headers=people[0])
    assert (recorded.status_code, recorded.json()["vote"]["by"]["id"]) == (202, "ann")
    listed = (await rest.get("/v1/interrupts", headers=people[1])).json()["interrupts"]
    assert listed[0]["approvers"] == {"roles": ["manager"], "quorum": 2}
    assert (await rest.post(path, YES, headers=people[1])).status_code == 200


async def test_of_many_answers_one_wins(rest: Web) -> None:
    scene = await rest.scene()
    shown = await scene.ask_and_wait()
    replies = await asyncio.gather(*(rest.post(f"/v1/interrupts/{shown.id}/answer", YES) for _ in range(20)))
    assert sorted(reply.status_code for reply in replies) == [200] + [409] * 19
    assert len(await scene.events("turn.resumed")) == 1


async def test_a_client_tool_is_claimed_told_of_and_answered(rest: Web) -> None:
    scene = await rest.scene()
    shown = await scene.ask_and_wait("client_tool")
    path = f"/v1/interrupts/{shown.id}"
    assert (await rest.post(f"{path}/claim", {"device": "phone"})).status_code == 200
    refused = await rest.post(f"{path}/claim", {"device": "laptop"})
    assert (refused.status_code, refused.json()["details"]["claim"]["device"]) == (409, "phone")
    assert code(await rest.post(f"{path}/claim", {"device": ""})) == "bad_request"
    assert (await rest.post(f"{path}/progress", {"progress": None, "device": "phone"})).status_code == 200
    assert code(await rest.post(f"{path}/progress", {"progress": 2, "device": "phone"})) == "limit_reached"
    error = {"status": "resolved", "payload": {"error": "no GPS"}, "device": "laptop"}
    assert code(await rest.post(f"{path}/answer", error)) == "conflict"
    won = await rest.post(f"{path}/answer", {"status": "resolved", "payload": {"output": None}, "device": "phone"})
    assert (won.status_code, won.json()["decision"]["payload"]) == (200, {"output": None})


async def test_a_turn_is_continued_once(rest: Web) -> None:
    scene = await rest.scene()
    shown = await scene.ask_and_wait(autoContinue=False)
    path = f"/v1/turns/{scene.turn_id}"
    assert (await rest.post(f"{path}/continue")).status_code == 409
    assert (await rest.post(f"/v1/interrupts/{shown.id}/answer", YES)).status_code == 200
    assert (await rest.get(path)).json()["readyToContinue"] is True
    replies = await asyncio.gather(*(rest.post(f"{path}/continue") for _ in range(5)))
    assert sorted(reply.status_code for reply in replies) == [200, 409, 409, 409, 409]
    assert {reply.json()["outcome"] for reply in replies} == {"won", "lost"}
    assert {reply.json()["by"]["id"] for reply in replies} == {"alice"}


async def test_turns_are_shown_and_cancelled(rest: Web) -> None:
    scene = await rest.scene()
    await scene.ask_and_wait()
    path = f"/v1/turns/{scene.turn_id}"
    assert (await rest.get(path)).json()["status"] == "waiting"
    cancelled = await rest.post(f"/v1/sessions/{scene.session}/turns/{scene.turn_id}/cancel")
    assert cancelled.status_code == 200
    assert (await rest.get(path)).json()["end"] == "cancelled"
    assert code(await rest.post(f"{path}/retry")) == "forbidden"
    assert code(await rest.get(path, by="mallory")) == "not_found"


async def test_events_are_paged_and_gaps_are_told(rest: Web) -> None:
    scene = await rest.scene()
    path = f"/v1/sessions/{scene.session}/events"
    page = (await rest.get(f"{path}?limit=2")).json()
    assert [event["seq"] for event in page["events"]] == [1, 2]
    assert page["more"]
    rest_of_it = (await rest.get(f"{path}?since={page['epoch']}:2")).json()
    head = (await scene.backend.door.read(scene.session)).head
    assert [event["seq"] for event in rest_of_it["events"]] == list(range(3, head + 1))
    gap = (await rest.get(f"{path}?since=other:2")).json()
    assert gap["gap"]["requested"] == {"epoch": "other", "seq": 2}
    assert gap["snapshot"]["messages"]
    assert code(await rest.get(f"{path}?since=nonsense")) == "bad_request"


async def test_nobody_is_let_in_without_a_token(rest: Web) -> None:
    refused = await rest.get("/v1/sessions", by=None)
    assert (refused.status_code, code(refused)) == (401, "unauthenticated")
    assert refused.headers["www-authenticate"] == "Bearer"
    forged = await rest.get("/v1/sessions", by=None, headers={"Authorization": "Bearer a.b.c"})
    assert code(forged) == "unauthenticated"


async def test_a_foreign_session_is_not_found_whatever_is_asked(rest: Web) -> None:
    scene = await rest.scene()
    shown = await scene.ask_and_wait()
    home = f"/v1/sessions/{scene.session}"
    before = await scene.fingerprint()
    replies = [
        await rest.get(home, by="mallory"),
        await rest.get(f"{home}/events", by="mallory"),
        await rest.post(f"{home}/messages", {"message": "x"}, by="mallory"),
        await rest.ask("PUT", f"{home}/members/mallory", by="mallory"),
        await rest.ask("DELETE", home, by="mallory"),
        await rest.post(f"/v1/interrupts/{shown.id}/answer", YES, by="mallory"),
        await rest.get(f"/v1/interrupts/{shown.id}", by="mallory"),
        await rest.post(f"{home}/turns/{scene.turn_id}/cancel", by="mallory"),
    ]
    assert [(reply.status_code, code(reply)) for reply in replies] == [(404, "not_found")] * len(replies)
    assert await scene.fingerprint() == before


@pytest.mark.parametrize(
    ("body", "status", "wanted", "path"),
    [
        (b"{", 400, "bad_request", "$"),
        (b"[]", 400, "bad_request", "$"),
        (b"\xff", 400, "bad_request", "$"),
        (b'{"agent": 5}', 400, "bad_request", "$.agent"),
        (b'{"agent": "support", "metadata": []}', 400, "bad_request", "$.metadata"),
        (b'{"agent": "nobody"}', 404, "unknown_agent", None),
        (b'{"agent": "support", "input": 9007199254740993}', 422, "bad_input", "$.input"),
        (b'{"agent": "support", "id": "a.b"}', 400, "bad_request", None),
        (b'{"agent": "support", "message": "' + b"x" * 256 * 1024 + b'"}', 413, "too_large", None),
    ],
    ids=lambda value: str(value)[:24],
)
async def test_what_is_malformed_is_refused_with_its_place(
    rest: Web, body: bytes, status: int, wanted: str, path: str | None
) -> None:
    headers = {"Content-Type": "application/json"}
    refused = await rest.post("/v1/sessions", headers=headers, content=body)
    assert (refused.status_code, code(refused)) == (status, wanted)
    if path is not None:
        assert refused.json()["details"]["path"] == path


async def test_a_body_must_be_json(rest: Web) -> None:
    refused = await rest.post("/v1/sessions", headers={"Content-Type": "text/plain"}, content=b'{"agent":"x"}')
    assert code(refused) == "bad_request"


async def test_a_body_that_says_not_how_long_it_is_is_bounded_too(rest: Web) -> None:
    sent: list[int] = []

    async def endless() -> AsyncGenerator[bytes]:
        while True:
            sent.append(64 * 1024)
            yield b" " * sent[-1]

    headers = {"Content-Type": "application/json"}
    refused = await rest.post("/v1/sessions", headers=headers, content=endless())
    assert code(refused) == "too_large"
    assert sum(sent) <= 512 * 1024  # and no more was taken


async def test_what_is_no_route_is_a_problem_too(rest: Web) -> None:
    assert (await rest.get("/v1/nothing")).status_code == 404
    refused = await rest.ask("PATCH", "/v1/sessions")
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST, GET")
    assert refused.headers["content-type"] == "application/problem+json"


async def test_a_token_is_minted_within_the_rights_of_its_minter(rest: Web) -> None:
    headers = {"Authorization": f"Bearer {token('app', can=('mint', 'read', 'answer'), sessions=['*'])}"}
    minted = await rest.post("/v1/tokens", {"sub": "alice", "sessions": ["mine"]}, by=None, headers=headers)
    assert minted.status_code == 201
    own = {"Authorization": f"Bearer {minted.json()['token']}"}
    assert (await rest.get("/v1/sessions", by=None, headers=own)).status_code == 200
    refused = await rest.post("/v1/tokens", {"can": ["admin"]}, by=None, headers=headers)
    assert code(refused) == "forbidden"
    assert code(await rest.post("/v1/tokens", {})) == "forbidden"


async def test_operators_see_how_it_goes(rest: Web) -> None:
    assert (await rest.get("/healthz", by=None)).json() == {"status": "ok"}
    assert (await rest.get("/readyz", by=None)).json() == {"status": "ready"}
    scene = await rest.scene()
    shown = await scene.ask_and_wait()
    await asyncio.gather(*(rest.post(f"/v1/interrupts/{shown.id}/answer", YES) for _ in range(20)))
    told = (await rest.get("/metrics", by=None)).text
    (conflicts,) = [line for line in told.splitlines() if line.startswith("holdfast_commit_conflicts_total")]
    assert float(conflicts.split()[1]) > 0


async def test_a_draining_server_is_not_ready(rest: Web) -> None:
    rest.server.drain.draining = True
    refused = await rest.get("/readyz", by=None)
    assert (refused.status_code, code(refused)) == (503, "draining")


async def test_the_description_has_every_route_and_all_that_it_names(rest: Web) -> None:
    described = (await rest.get("/openapi.json", by=None)).json()
    assert described["openapi"] == "3.1.0"
    served = {
        (path.path, method)
        for path in http.routes(_services(rest))
        if isinstance(path, Path_) and path.path.startswith(("/v1/", "/ai/", "/agui/", "/copilotkit/"))
        for method in (path.methods or set()) - {"HEAD"}
    }
    told = {(path, method.upper()) for path, ways in described["paths"].items() for method in ways}
    assert told == served
    schemas = described["components"]["schemas"]
    assert set(_references(described)) <= {f"#/components/schemas/{name}" for name in schemas}
    ids = [way["operationId"] for ways in described["paths"].values() for way in ways.values()]
    assert len(ids) == len(set(ids))


def test_a_route_that_is_not_in_the_table_would_be_missed() -> None:
    assert "/v1/tokens" not in describe(ROUTES[:3])["paths"]


async def test_mounted_into_another_application(store_url: str) -> None:
    async def auth(connection: HTTPConnection) -> Principal | None:
        name = connection.headers.get("x-user")
        return Principal(name) if name else None

    hf = wiring.asgi(auth=auth, settings=Settings(redis=store_url, secret=SECRET))
    host = Starlette(routes=[Mount("/holdfast", hf)], lifespan=hf.lifespan)
    transport = httpx2.ASGITransport(app=host)
    async with hf.lifespan(host), httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        assert (await client.get("/holdfast/readyz")).status_code == 200
        assert (await client.get("/holdfast/v1/sessions", headers={"X-User": "alice"})).status_code == 200
        bearer = {"Authorization": f"Bearer {token('alice')}"}
        assert (await client.get("/holdfast/v1/sessions", headers=bearer)).status_code == 200
        assert code(await client.get("/holdfast/v1/sessions")) == "unauthenticated"
        assert (await client.get("/holdfast/v1/nothing")).status_code == 404


def test_mounted_without_any_way_in_it_is_refused() -> None:
    with pytest.raises(SettingsError):
        wiring.asgi(settings=Settings(redis="redis://nowhere"))


def _services(rest: Web) -> Any:
    from holdfast.gateways.rest.exchange import Services

    async def nobody(_: HTTPConnection) -> Principal | None:
        return None

    return Services(rest.backend, nobody)


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if "$ref" in value else []
        return own + [one for inner in value.values() for one in _references(inner)]
    if isinstance(value, list):
        return [one for inner in value for one in _references(inner)]
    return []
