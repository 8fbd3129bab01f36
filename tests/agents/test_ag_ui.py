"""Agents by URL: a real one on pydantic-ai's own AG-UI server, and streams as other producers send them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from ag_ui.core import RunAgentInput
from tests.acceptance.cluster import free_port, listening
from tests.agents.provider import Reply, provider
from tests.waiting import wait_until

from holdfast import App, Turn, client_tool
from holdfast.agents import agui
from holdfast.agents.ag_ui import posting, running
from holdfast.agents.ag_ui.posting import PrivateHeaders
from holdfast.core.errors import Unusable
from holdfast.core.interrupts import Interrupt
from holdfast.testing import TestSession, harness

SERVER = Path(__file__).with_name("agui_server.py")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("agui") / "effects"


@pytest.fixture(scope="module")
def address(home: Path) -> Iterator[str]:
    port = free_port()
    server = subprocess.Popen([sys.executable, str(SERVER), str(port), str(home)])
    try:
        asyncio.run(wait_until(lambda: listening(port), "the agent's server listens", timeout=45))
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.kill()
        server.wait()


class Effects:
    """What the agent's process did."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def all(self) -> list[str]:
        return self._path.read_text().splitlines()


@pytest.fixture
def effects(home: Path) -> Effects:
    home.write_text("")
    return Effects(home)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "FIRST_PAUSE_S", 0.001)


@client_tool
async def location(accuracy: str) -> str:
    """Where the device is."""


def app_of(address: str, **options: Any) -> App:
    app = App()
    app.add_agent("theirs", agui(address, **options), tools=[location])
    return app


async def parts(session: TestSession) -> list[dict[str, Any]]:
    state = await session.state()
    return [part for one in state.ordered if one.message.role == "assistant" for part in one.message.parts]


async def test_its_call_waits_for_a_human_and_it_makes_it_once(address: str, effects: Effects, store_url: str) -> None:
    async with harness(app_of(address), url=store_url) as h:
        session = await h.start("theirs", message="refund A-17 200")
        ask = await session.wait_interrupt()
        assert (ask.kind, ask.toolName, ask.input) == ("approval", "refund", {"order": "A-17", "amount": 200})
        await session.wait_waiting()
        await h.kill_worker()
        await session.approve(ask, by="bob")
        ended = await session.wait_finished()
        [call] = [part for part in await parts(session) if part["type"] == "tool-refund"]
        text = await session.text()
    assert effects.all == ["model", "refund A-17 200.0", "model"]
    assert (call["state"], call["output"], call["toolCallId"]) == ("output-available", "200.0 for A-17", ask.toolCallId)
    assert (ended.end, text) == ("completed", "Let me see. refund: 200.0 for A-17. ")


async def test_a_no_is_told_with_its_reason(address: str, effects: Effects, store_url: str) -> None:
    async with harness(app_of(address), url=store_url) as h:
        session = await h.start("theirs", message="refund A-17 200")
        await session.deny(await session.wait_interrupt(), reason="too much")
        await session.wait_finished()
        [call] = [part for part in await parts(session) if part["type"] == "tool-refund"]
        text = await session.text()
    assert effects.all == ["model", "model"]
    assert (call["state"], call["approval"]["reason"]) == ("output-denied", "too much")
    assert "too much" in text


async def test_edited_arguments_are_what_it_runs(address: str, effects: Effects, store_url: str) -> None:
    async with harness(app_of(address), url=store_url) as h:
        session = await h.start("theirs", message="refund A-17 200")
        await session.approve(await session.wait_interrupt(), input={"order": "A-17", "amount": 50})
        await session.wait_finished()
    assert "refund A-17 50.0" in effects.all


async def test_our_tools_are_its_tools(address: str, effects: Effects, store_url: str) -> None:
    async with harness(app_of(address), url=store_url) as h:
        session = await h.start("theirs", message="both A-17 200")
        refund = await session.wait_interrupt(kind="approval")
        where = await session.wait_interrupt(kind="client_tool")
        assert where.input == {"accuracy": "street"}
        await session.update(where, output="Bern")
        await session.approve(refund)
        await session.wait_finished()
        shown = {part["type"]: part for part in await parts(session) if part["type"].startswith("tool-")}
        text = await session.text()
    assert {kind: part["output"] for kind, part in shown.items()} == {
        "tool-refund": "200.0 for A-17",
        "tool-location": "Bern",
    }
    assert "location: Bern" in text


async def test_it_is_told_what_was_said_before(address: str, effects: Effects, store_url: str) -> None:
    async with harness(app_of(address), url=store_url) as h:
        session = await h.start("theirs", message="refund A-17 200")
        await session.approve(await session.wait_interrupt())
        await session.wait_finished()
        await session.send("count")
        await wait_until_text(session, "2 things were said.")


async def wait_until_text(session: TestSession, text: str) -> None:
    async def says() -> bool:
        return text in await session.text()

    await wait_until(says, f"it says {text!r}")


# ---------------------------------------------------------------- as other producers do it

BEGIN = {"type": "RUN_STARTED", "threadId": "t", "runId": "r", "protocolVersion": "1.0"}
END = {"type": "RUN_FINISHED", "threadId": "t", "runId": "r"}


def call(name: str, args: str, id: str = "c1", result: str | None = None) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = [
        {"type": "TOOL_CALL_START", "toolCallId": id, "toolCallName": name, "parentMessageId": "m1"},
        {"type": "TOOL_CALL_ARGS", "toolCallId": id, "delta": args},
        {"type": "TOOL_CALL_END", "toolCallId": id},
    ]
    if result is not None:
        events.append({"type": "TOOL_CALL_RESULT", "messageId": f"r-{id}", "toolCallId": id, "content": result})
    return events


def waits(*interrupts: dict[str, Any]) -> dict[str, Any]:
    return {**END, "outcome": {"type": "interrupt", "interrupts": list(interrupts)}}


def said(text: str, id: str = "m9") -> list[dict[str, Any]]:
    return [{"type": "TEXT_MESSAGE_CHUNK", "messageId": id, "delta": text}]


async def test_questions_forms_and_gates_are_asked_at_once_and_answered_at_once(store_url: str) -> None:
    flat = {"type": "object", "properties": {"day": {"type": "string", "format": "date"}}, "required": ["day"]}
    asked = [
        {"id": "1", "reason": "input_required", "message": "What name?"},
        {"id": "2", "reason": "input_required", "message": "When?", "responseSchema": flat},
        {"id": "3", "reason": "confirmation", "message": "Sure?"},
        {"id": "4", "reason": "confirmation", "message": "Quite?", "responseSchema": {"type": "boolean"}},
        {"id": "5", "reason": "confirmation", "message": "Too late", "expiresAt": "2020-01-01T00:00:00Z"},
        {"id": "6", "reason": "confirmation", "message": "Soon", "expiresAt": "2999-01-01T00:00:00Z"},
    ]
    replies = [Reply([BEGIN, waits(*asked)]), Reply([BEGIN, *said("Good."), END])]
    async with provider(*replies) as at, harness(app_of(at.url), url=store_url) as h:
        session = await h.start("theirs", message="Hi")
        await session.wait_waiting()
        shown = {one["message"]: one for one in (await session.state()).interrupts.values()}
        assert [one["kind"] for one in shown.values()] == ["question", "form", "gate", "gate", "gate"]
        asks = {name: await one_of(session, name) for name in shown}
        await session.answer(asks["What name?"], {"text": "Ada"})
        await session.answer(asks["When?"], {"action": "accept", "content": {"day": "2026-11-21"}})
        await session.deny(asks["Sure?"], reason="not yet")
        await session.approve(asks["Quite?"])
        assert len(at.requests) == 1  # all at once, in its terms
        await session.withdraw(asks["Soon"])
        assert (await session.wait_finished()).result == "Good."
    first, second = (request.body for request in at.requests)
    assert second["resume"] == [
        {"interruptId": "1", "status": "resolved", "payload": "Ada"},
        {"interruptId": "2", "status": "resolved", "payload": {"day": "2026-11-21"}},
        {"interruptId": "3", "status": "resolved", "payload": {"approved": False, "reason": "not yet"}},
        {"interruptId": "4", "status": "resolved", "payload": True},
        {"interruptId": "6", "status": "cancelled"},
        {"interruptId": "5", "status": "cancelled"},
    ]
    assert (first["threadId"], first["protocolVersion"]) == (second["threadId"], "1.0")
    assert first["runId"] != second["runId"]
    RunAgentInput.model_validate(second)


async def one_of(session: TestSession, message: str) -> Interrupt:
    [shown] = [one for one in (await session.state()).interrupts.values() if one["message"] == message]
    return msgspec.convert(shown, Interrupt)


async def test_calls_that_cannot_be_made_go_back_to_it_and_to_no_human(store_url: str) -> None:
    pending = {**END, "outcome": {"type": "success", "pendingToolCallIds": ["c1", "c2"]}}
    wrong = [*call("location", '{"accuracy": 7}'), *call("nowhere", "{}", "c2")]
    async with (
        provider(Reply([BEGIN, *wrong, pending]), Reply([BEGIN, *said("Oh."), END])) as at,
        harness(app_of(at.url), url=store_url) as h,
    ):
        session = await h.start("theirs", message="Hi")
        assert (await session.wait_finished()).result == "Oh."
        assert not (await session.state()).interrupts
        shown = [part["state"] for part in await parts(session) if part["type"].startswith("tool-")]
    told = [one for one in at.requests[1].body["messages"] if one["role"] == "tool"]
    assert shown == ["output-error", "output-error"]
    assert "accuracy" in told[0]["error"]
    assert "There is no tool 'nowhere'" in told[1]["error"]


async def test_its_failure_is_the_turns(store_url: str) -> None:
    failed = {"type": "RUN_ERROR", "message": "No more credit.", "code": "credit"}
    async with provider(Reply([BEGIN, failed])) as at, harness(app_of(at.url), url=store_url) as h:
        session = await h.start("theirs", message="Hi")
        ended = await session.wait_finished()
        assert ended.error is not None
        assert (ended.end, ended.error["message"]) == ("failed", "AgentFailed: credit: No more credit.")


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply([BEGIN, *said("Hm")], then="break"), "ended in the middle of a run"),
        (Reply([BEGIN, *said("Hm")]), "without RUN_FINISHED"),
        (Reply([*said("Hm")]), "began with TEXT_MESSAGE_CHUNK"),
        (Reply([BEGIN, {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m"}]), "a malformed TEXT_MESSAGE_CONTENT: "),
        (Reply(body={"no": "stream"}), "does not stream events"),
        (Reply(status=401, body={"secret": "x"}), "answers 401."),
        (Reply(status=307, headers={"location": "http://elsewhere/"}), "answers 307: it is at another address"),
        (Reply([BEGIN, {**said("x")[0], "delta": "x" * 3_000_000}]), "exceeded the"),
    ],
)
async def test_what_breaks_the_protocol_fails_the_turn_in_clear_words(reply: Reply, words: str, store_url: str) -> None:
    async with provider(reply) as at, harness(app_of(at.url, retries=0), url=store_url) as h:
        session = await h.start("theirs", message="Hi")
        ended = await session.wait_finished()
        assert ended.error is not None
        assert words in ended.error["message"]
        assert "secret" not in ended.error["message"]
    assert len(at.requests) == 1


async def test_a_silent_agent_and_one_without_end_are_given_up(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "RUN_MAX_BYTES", 1_000)
    endless = [{**said("x" * 100)[0], "messageId": str(n)} for n in range(20)]
    replies = [Reply([BEGIN, *said("Hm")], then="hold"), Reply([BEGIN, *endless, END])]
    async with provider(*replies) as at, harness(app_of(at.url, silence="200 ms"), url=store_url) as h:
        for words in ("ended in the middle of a run: ReadTimeout", "more than 1000 bytes"):
            session = await h.start("theirs", message="Hi")
            ended = await session.wait_finished()
            assert ended.error is not None
            assert words in ended.error["message"]


async def test_what_it_could_not_begin_is_tried_again_and_what_it_began_is_not(store_url: str) -> None:
    replies = [Reply(status=503), Reply([BEGIN, *said("Hi.")], then="break")]
    async with provider(*replies) as at, harness(app_of(at.url), url=store_url) as h:
        session = await h.start("theirs", message="Hi")
        assert (await session.wait_finished()).end == "failed"
    assert [request.body["runId"] for request in at.requests] == [at.requests[0].body["runId"]] * 2


async def test_an_idempotent_run_that_broke_off_is_asked_for_again_and_shown_once(store_url: str) -> None:
    replies = [Reply([BEGIN, *said("Hel")], then="break"), Reply([BEGIN, *said("Hello."), END])]
    async with provider(*replies) as at, harness(app_of(at.url, idempotent=True), url=store_url) as h:
        session = await h.start("theirs", message="Hi")
        await session.wait_finished()
        assert await session.text() == "Hello."


async def test_a_run_in_which_it_made_calls_is_repeated_only_if_an_operator_says_so(store_url: str) -> None:
    replies = [Reply([BEGIN, *call("pay", "{}", result="paid")], then="hold"), Reply([BEGIN, *said("Paid."), END])]
    async with provider(*replies) as at, harness(app_of(at.url), url=store_url) as h:
        session = await h.start("theirs", message="Pay")
        await at.holding.wait()
        await shown(session, "tool-pay", "output-available")
        await h.kill_worker()
        doubt = await session.wait_interrupt(kind="in_doubt")
        assert "pay" in (doubt.message or "")
        assert len(at.requests) == 1
        await session.answer(doubt, {"ran": False}, by="olga", roles=("operator",))
        assert (await session.wait_finished()).result == "Paid."
        assert await session.text() == "Paid."


async def test_a_run_that_was_to_make_an_approved_call_is_repeated_only_if_an_operator_says_so(store_url: str) -> None:
    ask = {"id": "1", "reason": "tool_call", "toolCallId": "c1"}
    replies = [Reply([BEGIN, *call("pay", "{}"), waits(ask)]), Reply([BEGIN], then="hold"), Reply([BEGIN, END])]
    async with provider(*replies) as at, harness(app_of(at.url), url=store_url) as h:
        session = await h.start("theirs", message="Pay")
        await session.approve(await session.wait_interrupt())
        await at.holding.wait()
        await h.kill_worker()
        doubt = await session.wait_interrupt(kind="in_doubt")
        assert len(at.requests) == 2
        await session.answer(doubt, {"ran": False}, by="olga", roles=("operator",))
        assert (await session.wait_finished()).end == "completed"
    assert at.requests[1].body["resume"] == at.requests[2].body["resume"]
    assert at.requests[1].body["runId"] == at.requests[2].body["runId"]


async def test_a_call_that_nobody_is_asked_about_has_its_result_after_the_pause(store_url: str) -> None:
    made = [*call("pay", "{}"), *call("look", "{}", "c2")]
    result = {"type": "TOOL_CALL_RESULT", "messageId": "r", "content": "found"}
    replies = [
        Reply([BEGIN, *made, waits({"id": "1", "reason": "tool_call", "toolCallId": "c1"})]),
        Reply([BEGIN, {**result, "toolCallId": "c2"}, {**result, "toolCallId": "c1"}, END]),
    ]
    async with provider(*replies) as at, harness(app_of(at.url), url=store_url) as h:
        session = await h.start("theirs", message="Pay")
        await session.approve(await session.wait_interrupt())
        await session.wait_finished()
        shown = {part["type"]: part["state"] for part in await parts(session) if part["type"].startswith("tool-")}
    assert shown == {"tool-pay": "output-available", "tool-look": "output-available"}


async def test_a_run_that_only_spoke_is_repeated_after_a_crash(store_url: str) -> None:
    replies = [Reply([BEGIN, *said("Hel")], then="hold"), Reply([BEGIN, *said("Hello."), END])]
    async with provider(*replies) as at, harness(app_of(at.url), url=store_url) as h:
        session = await h.start("theirs", message="Hi")
        await at.holding.wait()
        await h.kill_worker()
        await session.wait_finished()
        assert await session.text() == "Hello."


async def test_cancelling_hangs_up(store_url: str) -> None:
    async with provider(Reply([BEGIN, *said("Hel")], then="hold")) as at, harness(app_of(at.url), url=store_url) as h:
        session = await h.start("theirs", message="Hi")
        await at.holding.wait()
        await session.cancel()
        await asyncio.wait_for(at.left.wait(), 5)
        assert (await session.wait_finished()).end == "cancelled"


async def test_headers_are_made_for_each_run(store_url: str) -> None:
    async def headers(turn: Turn) -> dict[str, str]:
        return {"authorization": f"Bearer for-{turn.principal.subject}"}

    replies = [Reply([BEGIN, waits({"id": "1", "reason": "confirmation"})]), Reply([BEGIN, END])]
    async with (
        provider(*replies) as at,
        harness(app_of(at.url, headers=headers, props=lambda turn: {"by": turn.principal.subject}), url=store_url) as h,
    ):
        session = await h.start("theirs", message="Hi")
        await session.approve(await session.wait_interrupt())
        await session.wait_finished()
        assert [request.headers["authorization"] for request in at.requests] == ["Bearer for-alice"] * 2
        assert [request.body["forwardedProps"] for request in at.requests] == [{"by": "alice"}] * 2


def test_headers_are_not_in_a_log_that_shows_variables() -> None:
    assert "secret" not in repr(PrivateHeaders({"authorization": "secret"}))


@pytest.mark.parametrize("options", [{"url": "ftp://example.com"}, {"url": "agents.example.com"}])
def test_an_address_that_is_none_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(Unusable, match="begins with http"):
        agui(**options)


async def test_its_state_is_shown_and_given_back_also_in_the_next_turn(store_url: str) -> None:
    states = [
        {"type": "STATE_SNAPSHOT", "snapshot": {"n": 1}},
        {"type": "STATE_DELTA", "delta": [{"op": "replace", "path": "/n", "value": 2}]},
    ]
    async with (
        provider(Reply([BEGIN, *states, *said("One."), END]), Reply([BEGIN, *said("Two."), END])) as at,
        harness(app_of(at.url), url=store_url) as h,
    ):
        session = await h.start("theirs", message="Hi")
        await session.wait_finished()
        await session.send("Again")
        await wait_until_text(session, "Two.")
        assert [part["data"] for part in await parts(session) if part["type"] == "data-state"] == [{"n": 2}]
    assert [request.body["state"] for request in at.requests] == [{}, {"n": 2}]


async def test_messages_keep_the_ids_that_it_gave_them(store_url: str) -> None:
    first = [BEGIN, *said("I look.", "m1"), *call("look", '{"a": 1}', result='{"found": true}'), *said("So."), END]
    async with (
        provider(Reply(first), Reply([BEGIN, *said("Two.", "m10"), END])) as at,
        harness(app_of(at.url), url=store_url) as h,
    ):
        session = await h.start("theirs", message="Hi")
        await session.wait_finished()
        await session.send("Again")
        await wait_until_text(session, "Two.")
        [looked] = [part for part in await parts(session) if part["type"] == "tool-look"]
    messages = at.requests[1].body["messages"]
    assert looked["output"] == {"found": True}
    assert [(one["role"], one["id"]) for one in messages if one["role"] != "user"] == [
        ("assistant", "m1"),
        ("tool", "result-c1"),
        ("assistant", "m9"),
    ]
    assert messages[1]["toolCalls"][0]["id"] == messages[2]["toolCallId"] == "c1"
    RunAgentInput.model_validate(at.requests[1].body)


async def shown(session: TestSession, kind: str, state: str) -> None:
    async def is_shown() -> bool:
        return any(part["type"] == kind and part["state"] == state for part in await parts(session))

    await wait_until(is_shown, f"{kind} is {state}")
