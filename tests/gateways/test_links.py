"""Links: who may make one, for whom; and the page, which shows what is asked and takes one answer."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape
from typing import Any

import httpx2
import jwt
import pytest
from tests.commands.scene import Scene
from tests.gateways.rest import SECRET, Web, token, web

from holdfast.core.canonical import input_hash
from holdfast.core.identity import Principal, Right
from holdfast.core.interrupts import Approvers, Interrupt
from holdfast.gateways.links.token import Links

MINTING: tuple[Right, ...] = ("read", "send", "answer", "cancel", "mint")
OLGA: dict[str, Any] = {"can": MINTING, "sessions": ["*"], "roles": ["operator", "manager"]}
FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.fixture
async def server(store_url: str) -> AsyncIterator[Web]:
    async with web(store_url, public_url="https://agents.example/base") as made:
        yield made


@pytest.fixture
async def scene(server: Web) -> Scene:
    return await server.scene()


def as_olga(**claims: Any) -> dict[str, Any]:
    return {"by": None, "headers": {"Authorization": f"Bearer {token('olga', **{**OLGA, **claims})}"}}


async def made(server: Web, shown: Interrupt, sub: str = "alice", **body: Any) -> str:
    """The path of a link's page."""
    reply = await server.post(f"/v1/interrupts/{shown.id}/links", {"sub": sub, **body}, **as_olga())
    assert reply.status_code == 201, reply.text
    url = reply.json()["url"]
    assert url.startswith("https://agents.example/base/link/")
    return url.removeprefix("https://agents.example/base")


async def looked(server: Web, path: str) -> httpx2.Response:
    return await server.get(path, by=None)


async def posted(server: Web, path: str, body: str) -> httpx2.Response:
    return await server.ask("POST", path, by=None, headers=FORM, content=body.encode())


def text_of(reply: httpx2.Response) -> str:
    words = re.sub(r"<head>.*</head>|<[^>]+>", " ", reply.text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(words)).strip()


async def decision_of(scene: Scene, shown: Interrupt) -> Any:
    view = await scene.backend.door.read(scene.session, interrupts=(shown.id,))
    return view.interrupts[shown.id].decision


async def answer(server: Web, shown: Interrupt, approved: bool, by: str = "alice") -> None:
    body = {"status": "resolved", "payload": {"approved": approved}}
    assert (await server.post(f"/v1/interrupts/{shown.id}/answer", body, by=by)).status_code in (200, 202)


async def test_the_page_shows_what_is_asked_and_looking_decides_nothing(server: Web, scene: Scene) -> None:
    shown = await scene.ask_and_wait(expires_in_ms=3_600_000, message="Refund a customer", metadata={"risk": "high"})
    path = await made(server, shown)
    before = await scene.fingerprint()
    for _ in range(3):
        reply = await looked(server, path)
        assert reply.status_code == 200
    for method in ("HEAD", "OPTIONS", "PUT"):
        await server.ask(method, path, by=None)
    assert await scene.fingerprint() == before
    text = text_of(reply)
    for words in ("Approval needed", "Refund", "Refund a customer", "support asks", "Amount 200", "Risk: high"):
        assert words in text
    assert re.search(r"59 min left, until .* UTC; then: no", text)
    assert "You answer as alice" in text


async def test_the_answer_is_that_persons_and_counts_once(server: Web, scene: Scene) -> None:
    shown = await scene.ask_and_wait()
    path = await made(server, shown, name="Alice A.")
    reply = await posted(server, path, "answer=approve&reason=it+is+due")
    assert reply.status_code == 200
    assert "Approved by you" in text_of(reply)
    decision = await decision_of(scene, shown)
    assert (decision.by.id, decision.by.name, decision.via) == ("alice", "Alice A.", "link")
    assert decision.payload["reason"] == "it is due"
    after = await scene.fingerprint()
    again = await posted(server, path, "answer=approve&reason=it+is+due")
    assert (again.status_code, "Approved by you" in text_of(again)) == (200, True)
    other = await posted(server, path, "answer=deny")
    assert other.status_code == 409
    assert "has answered already" in text_of(other)
    assert "Approved by you" in text_of(other)
    assert "answered this by this link" in text_of(await looked(server, path))
    assert await scene.fingerprint() == after


async def test_who_comes_late_is_told_who_decided(server: Web, scene: Scene) -> None:
    shown = await scene.ask_and_wait()
    path = await made(server, shown, sub="bob")
    await answer(server, shown, approved=False)
    looking = await looked(server, path)
    assert "Denied by alice" in text_of(looking)
    assert "<form" not in looking.text
    reply = await posted(server, path, "answer=approve")
    assert reply.status_code == 409
    assert "Denied by alice" in text_of(reply)
    assert "too late and changed nothing" in text_of(reply)


async def test_the_address_is_kept_from_everybody_else(server: Web, scene: Scene) -> None:
    reply = await looked(server, await made(server, await scene.ask_and_wait()))
    assert reply.headers["referrer-policy"] == "no-referrer"
    assert reply.headers["cache-control"] == "no-store"
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "<script" not in reply.text
    assert "http" not in re.sub(r"http-equiv", "", reply.text), "nothing is loaded from, or leads to, elsewhere"


async def test_what_others_wrote_is_shown_as_it_is(server: Web, scene: Scene) -> None:
    shown = await scene.ask_and_wait(message="<script>alert(1)</script> A\u202e17")
    page = (await looked(server, await made(server, shown))).text
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; A‹U+202E›17" in page


async def test_a_link_signs_nobody_in_and_a_token_is_no_link(server: Web, scene: Scene) -> None:
    shown = await scene.ask_and_wait()
    path = await made(server, shown)
    bearer = {"Authorization": "Bearer " + path.removeprefix("/link/")}
    assert (await server.get("/v1/sessions", by=None, headers=bearer)).status_code == 401
    for forged in (token("alice"), jwt.encode({"sub": "alice", "iid": shown.id, "exp": 2**33}, SECRET, "HS256"), "x"):
        reply = await posted(server, f"/link/{forged}", "answer=approve")
        assert (reply.status_code, "not valid" in text_of(reply)) == (404, True)
    cut = path[:-5]
    assert (await looked(server, cut)).status_code == 404
    assert await decision_of(scene, shown) is None


async def test_an_expired_link_says_so(server: Web, scene: Scene) -> None:
    shown = await scene.ask_and_wait()
    alice = Principal("alice", (), (scene.session,), ("answer",))
    link = Links(SECRET).make("http://test", shown, alice, "1 h", ends_ms=1_000)
    reply = await posted(server, link.url.removeprefix("http://test"), "answer=approve")
    assert (reply.status_code, "has expired" in text_of(reply)) == (410, True)
    assert await decision_of(scene, shown) is None


async def test_a_link_ends_with_what_it_is_about_and_with_its_maker(server: Web, scene: Scene) -> None:
    shown, lasting = await scene.ask(expires_in_ms=60_000), await scene.ask()
    path = f"/v1/interrupts/{shown.id}/links"
    assert shown.expiresAt is not None
    ends = (await server.post(path, {"sub": "alice", "ttl": "7 days"}, **as_olga())).json()["expiresAt"]
    assert shown.expiresAt - 1_000 <= ends <= shown.expiresAt
    brief = as_olga(ttl="10 min")
    reply = await server.post(f"/v1/interrupts/{lasting.id}/links", {"sub": "alice", "ttl": "7 days"}, **brief)
    assert reply.json()["expiresAt"] <= ends + 700_000


async def test_a_deleted_session_is_not_there_any_more(server: Web, scene: Scene) -> None:
    path = await made(server, await scene.ask_and_wait())
    await server.ask("DELETE", f"/v1/sessions/{scene.session}")
    for reply in (await looked(server, path), await posted(server, path, "answer=approve")):
        assert (reply.status_code, "not there any more" in text_of(reply)) == (410, True)


async def test_nothing_chosen_is_asked_for_again(server: Web, scene: Scene) -> None:
    shown = await scene.ask_and_wait(approvers=Approvers(require_reason=True))
    path = await made(server, shown)
    for body, words in (("", "Please choose"), ("answer=perhaps", "Please choose"), ("answer=deny", "a reason is")):
        reply = await posted(server, path, body)
        assert (reply.status_code, words in text_of(reply)) == (422, True), text_of(reply)
        assert "<form" in reply.text
    assert (await posted(server, path, "answer=" + "x" * 20_000)).status_code == 400
    assert await decision_of(scene, shown) is None


async def test_votes_are_counted_and_the_tally_is_shown(server: Web, scene: Scene) -> None:
    shown = await scene.ask_and_wait(approvers=Approvers(subjects=("alice", "bob"), quorum=2))
    alices, bobs = await made(server, shown), await made(server, shown, sub="bob")
    reply = await posted(server, alices, "answer=approve")
    assert "Your answer is recorded: yes" in text_of(reply)
    assert "1 of 2 have approved (alice: yes)" in text_of(await looked(server, bobs))
    assert "<form" not in (await looked(server, alices)).text
    assert "Approved by you" in text_of(await posted(server, bobs, "answer=approve"))
    assert "Approved by bob" in text_of(await looked(server, alices))


async def test_arguments_that_were_edited_since_are_not_answered(server: Web, scene: Scene) -> None:
    both = Approvers(subjects=("alice", "bob"), quorum=2)
    shown = await scene.ask_and_wait(approvers=both, editable=True, inputHash=input_hash({"amount": 200}))
    path = await made(server, shown, sub="bob")
    edited = {"status": "resolved", "payload": {"approved": True, "input": {"amount": 900}}}
    assert (await server.post(f"/v1/interrupts/{shown.id}/answer", edited)).status_code == 202
    for reply in (await looked(server, path), await posted(server, path, "answer=approve")):
        assert (reply.status_code, "has changed since" in text_of(reply)) == (409, True)
        assert "900" not in text_of(reply)
    assert await decision_of(scene, shown) is None
    fresh = await looked(server, await made(server, shown, sub="bob"))
    assert "Amount 900" in text_of(fresh)
    assert "Edited by alice; what was proposed" in text_of(fresh)


async def test_a_question_is_answered_by_a_choice_or_in_words(server: Web, scene: Scene) -> None:
    shown = await scene.ask("question", message="Which?")
    assert "Your answer" in text_of(await looked(server, await made(server, shown)))
    path = await made(server, shown)
    assert (await posted(server, path, "text=")).status_code == 422
    assert "Answered by you" in text_of(await posted(server, path, "text=neither"))
    assert (await decision_of(scene, shown)).payload["text"] == "neither"


async def test_a_form_is_filled_in_and_kept_when_something_is_wrong(server: Web, scene: Scene) -> None:
    properties = {"city": {"type": "string", "minLength": 2}, "guests": {"type": "integer"}}
    schema = {"type": "object", "properties": properties, "required": ["city"]}
    shown = await scene.ask("form", message="Where to?", responseSchema=schema)
    path = await made(server, shown)
    assert "Where to?" in text_of(await looked(server, path))
    for body in ("answer=send&field:city=R&field:guests=3", "answer=send&field:guests=3&field:city="):
        reply = await posted(server, path, body)
        assert reply.status_code == 422, text_of(reply)
        assert 'value="3"' in reply.text
    assert "Answered by you" in text_of(await posted(server, path, "answer=send&field:city=Rome&field:guests=3"))
    assert (await decision_of(scene, shown)).payload["content"] == {"city": "Rome", "guests": 3}


async def test_a_form_may_be_declined(server: Web, scene: Scene) -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    shown = await scene.ask("form", responseSchema=schema)
    assert "Declined by you" in text_of(await posted(server, await made(server, shown), "answer=decline"))


async def test_a_call_in_doubt_is_for_operators(server: Web, scene: Scene) -> None:
    shown = await scene.ask("in_doubt", approvers=Approvers(roles=("operator",)))
    refused = await server.post(f"/v1/interrupts/{shown.id}/links", {"sub": "alice"}, **as_olga())
    assert refused.status_code == 403
    path = await made(server, shown, sub="oscar", roles=["operator"])
    await posted(server, path, "answer=did_not_run")
    assert (await decision_of(scene, shown)).payload == {"ran": False}


@pytest.mark.parametrize(
    ("claims", "body", "status"),
    [
        ({"can": ("read", "answer")}, {"sub": "alice"}, 403),  # may not mint
        ({"can": ("read", "mint")}, {"sub": "alice"}, 403),  # may not answer
        ({"sessions": ["mine"]}, {"sub": "alice"}, 403),  # in another's name
        ({"sessions": ["mine"]}, {}, 404),  # does not reach it
        ({}, {"sub": "alice", "roles": ["admin"]}, 403),  # a role that the maker does not have
        ({}, {"sub": "alice", "ttl": "soon"}, 400),
        ({}, {"sub": "alice", "ttl": "1 h"}, 201),
        ({}, {}, 201),
    ],
)
async def test_nobody_gives_more_than_they_have(
    server: Web, scene: Scene, claims: dict[str, Any], body: dict[str, Any], status: int
) -> None:
    shown = await scene.ask_and_wait()
    reply = await server.post(f"/v1/interrupts/{shown.id}/links", body, **as_olga(**claims))
    assert reply.status_code == status, reply.text


async def test_what_is_settled_or_needs_more_than_the_page_gets_no_link(server: Web, scene: Scene) -> None:
    form, settled = await scene.ask("form"), await scene.ask()
    assert (await server.post(f"/v1/interrupts/{form.id}/links", {"sub": "alice"}, **as_olga())).status_code == 400
    await answer(server, settled, approved=True)
    reply = await server.post(f"/v1/interrupts/{settled.id}/links", {"sub": "alice"}, **as_olga())
    assert reply.json()["details"]["decision"]["by"]["id"] == "alice"


async def test_rights_count_when_the_link_is_used(server: Web, scene: Scene) -> None:
    """A link of one's own is no more than its maker's membership."""
    shown = await scene.ask_and_wait()
    await server.ask("PUT", f"/v1/sessions/{scene.session}/members/bob")
    mine = {"by": None, "headers": {"Authorization": f"Bearer {token('bob', can=MINTING)}"}}
    path = (await server.post(f"/v1/interrupts/{shown.id}/links", {}, **mine)).json()["url"].partition("/base")[2]
    assert "<form" in (await looked(server, path)).text
    await server.ask("DELETE", f"/v1/sessions/{scene.session}/members/bob")
    for reply in (await looked(server, path), await posted(server, path, "answer=approve")):
        assert reply.status_code in (403, 410)
        assert "200" not in text_of(reply)
    assert await decision_of(scene, shown) is None


async def test_a_link_that_was_made_is_in_the_trail(server: Web, scene: Scene) -> None:
    shown = await scene.ask_and_wait()
    await made(server, shown, ttl="1 h")
    assert (await server.post(f"/v1/interrupts/{shown.id}/links", {"ttl": "soon"}, **as_olga())).status_code == 400
    reply = await server.get("/v1/audit?action=link.made", **as_olga())
    [entry] = reply.json()["entries"]
    assert (entry["by"]["id"], entry["to"], entry["interrupt"], entry["via"]) == ("olga", ["alice"], shown.id, "rest")
    assert 0 < entry["until"] - entry["at"] <= 3_600_000
