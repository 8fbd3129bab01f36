"""AG-UI's wire: what is told of chunks, what is taken of what a client posts, and who may."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.gateways.ag_ui_client import Client
from tests.gateways.rest import Web, web

from holdfast.commands.reading import folded
from holdfast.core.errors import BadInput, Busy
from holdfast.core.events import (
    ChunkWritten,
    Event,
    InterruptClosed,
    InterruptOpened,
    MessageRewound,
    MessageWritten,
    StateChanged,
    TurnBlocked,
    TurnFinished,
    TurnQueued,
    TurnResumed,
    TurnStarted,
    TurnWaiting,
)
from holdfast.core.folding import State, fold
from holdfast.core.identity import By
from holdfast.core.interrupts import REASONS, Decision, Interrupt, Kind
from holdfast.core.messages import Message
from holdfast.gateways.ag_ui import history, interrupts
from holdfast.gateways.ag_ui.contents import content, said
from holdfast.gateways.ag_ui.inputs import RunInput, answers, posted, words
from holdfast.gateways.ag_ui.run import Client as Told
from holdfast.gateways.ag_ui.run import Run

SAID = {"id": "u1", "role": "user", "content": "Refund A-17"}
BODY = {"threadId": "c1", "runId": "r1", "messages": [SAID]}
BEGUN = (
    MessageWritten(message=Message("m0", "user", [{"type": "text", "text": "Hi"}], {"clientId": "u1"}), turn="t1"),
    TurnQueued(turn="t1", agent="a"),
    TurnStarted(turn="t1", agent="a", message="m1"),
)
HI = {"id": "u1", "role": "user", "content": "Hi"}


def chunk(kind: str, **fields: Any) -> ChunkWritten:
    return ChunkWritten(turn="t1", message="m1", chunk={"type": kind, **fields})


def opened(own_id: str, kind: Kind = "approval", **more: Any) -> InterruptOpened:
    asked = Interrupt(own_id, kind, "c1", "t1", REASONS[kind], toolCallId=f"call-{own_id}", toolName="x", **more)
    return InterruptOpened(interrupt=asked)


def closed(own_id: str) -> InterruptClosed:
    decision = Decision("resolved", {"approved": True}, By("person", "bob"), "rest", 1)
    return InterruptClosed(interrupt=own_id, decision=decision)


class Scene:
    """A run on one turn, told event after event, and a client that hears it."""

    def __init__(self, *events: Event, modern: bool = True, have: tuple[dict[str, Any], ...] = (HI,)) -> None:
        self.state = State()
        self.client = Client(list(have))
        self.run = Run(Told("c1", "r1", modern, list(have)), "t1")
        for event in events:
            fold(self.state, self.state.seq + 1, 0, event)
        self.client.take(self.run.begin(self.state))

    def add(self, *events: Event) -> None:
        for event in events:
            self.client.take(self.run.tell(self.state.seq + 1, 0, event))

    @property
    def last(self) -> dict[str, Any]:
        assert self.client.last is not None
        return self.client.last


# ---------------------------------------------------------------- what is told

TEXTS = st.sampled_from(["a", "b"])
CALLS = st.sampled_from(["c", "d"])
CHUNKS = st.one_of(
    st.builds(lambda what, own: chunk(f"{what}-start", id=own), st.sampled_from(["text", "reasoning"]), TEXTS),
    st.builds(
        lambda what, own, delta: chunk(f"{what}-delta", id=own, delta=delta),
        st.sampled_from(["text", "reasoning"]),
        TEXTS,
        st.sampled_from(["", "x", "yz"]),
    ),
    st.builds(lambda what, own: chunk(f"{what}-end", id=own), st.sampled_from(["text", "reasoning"]), TEXTS),
    st.builds(lambda own: chunk("tool-input-start", toolCallId=own, toolName="look"), CALLS),
    st.builds(lambda own: chunk("tool-input-delta", toolCallId=own, inputTextDelta='{"a":1}'), CALLS),
    st.builds(lambda own: chunk("tool-input-available", toolCallId=own, toolName="look", input={"a": 1}), CALLS),
    st.builds(lambda own: chunk("tool-output-available", toolCallId=own, output={"b": 2}), CALLS),
    st.builds(lambda own: chunk("tool-output-error", toolCallId=own, errorText="No."), CALLS),
    st.builds(lambda own: chunk("tool-output-denied", toolCallId=own, reason="Not now."), CALLS),
    st.sampled_from([chunk("finish-step"), chunk("data-x", data=1), chunk("reset-step"), chunk("source-url", url="u")]),
    st.just(chunk("start-step")),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(CHUNKS, max_size=25), st.integers(0, 25))
def test_whoever_joins_and_whoever_watched_have_the_same(chunks: list[ChunkWritten], joins: int) -> None:
    scene = Scene(*BEGUN, *chunks[:joins])
    scene.add(*chunks[joins:], TurnFinished(turn="t1", status="completed"))
    assert history.alike(scene.client.messages, history.history(scene.state))


def test_a_step_begins_another_message() -> None:
    scene = Scene(*BEGUN)
    for call in ("c", "d"):
        scene.add(chunk("start-step"), chunk("tool-input-available", toolCallId=call, toolName="look", input={}))
    scene.add(TurnFinished(turn="t1", status="completed"))
    assert [one["id"] for one in scene.client.messages] == ["u1", "m1", "m1#2"]
    assert scene.client.messages == history.history(scene.state)


def test_one_message_of_ours_is_several_there() -> None:
    scene = Scene(*BEGUN)
    scene.add(
        chunk("start-step"),
        chunk("reasoning-start", id="r"),
        chunk("reasoning-delta", id="r", delta="Hm."),
        chunk("reasoning-end", id="r"),
        chunk("text-start", id="a"),
        chunk("text-delta", id="a", delta="Looking."),
        chunk("tool-input-available", toolCallId="c", toolName="look", input={"a": 1}),
        chunk("tool-output-available", toolCallId="c", output="found", preliminary=True),
        chunk("tool-output-available", toolCallId="c", output="found"),
        chunk("text-start", id="a"),
        chunk("text-delta", id="a", delta="Done."),
        TurnFinished(turn="t1", status="completed", result=[1]),
    )
    call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": '{"a":1}'}}
    assert scene.client.messages == [
        HI,
        {"id": "m1", "role": "reasoning", "content": "Hm."},
        {"id": "m1#2", "role": "assistant", "content": "Looking.", "toolCalls": [call]},
        {"id": "c#result", "role": "tool", "toolCallId": "c", "content": "found"},
        {"id": "m1#3", "role": "assistant", "content": "Done."},
    ]
    assert scene.client.messages == history.history(scene.state)
    assert (scene.client.snapshots, scene.last["result"]) == (0, [1])


def test_what_has_no_place_in_a_message_is_told_beside_it() -> None:
    scene = Scene(*BEGUN)
    scene.add(chunk("data-chart", data=[1]), chunk("source-url", sourceId="s", url="https://example.org"))
    assert scene.client.custom == [("chart", [1]), ("source-url", {"sourceId": "s", "url": "https://example.org"})]


def test_what_a_dead_worker_said_is_taken_back() -> None:
    scene = Scene(*BEGUN)
    scene.add(chunk("text-start", id="a"), chunk("text-delta", id="a", delta="void"))
    kept = Message("m1", "assistant", [{"type": "text", "text": "kept", "state": "done"}])
    scene.add(MessageRewound(message=kept, turn="t1"))
    assert scene.client.messages[-1] == {"id": "m1", "role": "assistant", "content": "kept"}
    scene.add(TurnFinished(turn="t1", status="completed"))


def test_edited_arguments_are_shown_in_the_place_of_those_that_were_asked_about() -> None:
    scene = Scene(*BEGUN)
    scene.add(*(chunk("tool-input-available", toolCallId="c", toolName="pay", input={"a": n}) for n in (2, 2, 1)))
    assert scene.client.call("c")[1]["function"]["arguments"] == '{"a":1}'
    scene.add(TurnFinished(turn="t1", status="completed"))
    assert scene.client.snapshots == 1


def test_a_message_that_stands_as_it_was_told_is_not_told_again() -> None:
    scene = Scene(*BEGUN)
    scene.add(chunk("text-start", id="a"), chunk("text-delta", id="a", delta="Hello"), chunk("text-end", id="a"))
    same = Message("m1", "assistant", [{"type": "text", "text": "Hello", "state": "done"}])
    scene.add(MessageWritten(message=same, turn="t1"))
    assert scene.client.snapshots == 0
    more = Message("m1", "assistant", [{"type": "text", "text": "Hello!", "state": "done"}])
    scene.add(MessageWritten(message=more, turn="t1"))
    assert (scene.client.snapshots, scene.client.messages[-1]["content"]) == (1, "Hello!")


def test_what_others_said_meanwhile_is_told_at_the_end() -> None:
    scene = Scene(*BEGUN)
    other = Message("m2", "user", [{"type": "text", "text": "And me?"}], {"by": {"kind": "person", "id": "bob"}})
    scene.add(MessageWritten(message=other, turn="t2"), TurnFinished(turn="t1", status="completed"))
    assert scene.client.messages[-1] == {"id": "m2", "role": "user", "content": "And me?", "name": "bob"}


@pytest.mark.parametrize(
    ("end", "modern", "last"),
    [
        (TurnFinished(turn="t1", status="completed"), True, {"outcome": {"type": "success"}}),
        (TurnFinished(turn="t1", status="cancelled"), True, {"outcome": {"type": "cancelled"}}),
        (TurnFinished(turn="t1", status="cancelled"), False, {}),
        (TurnFinished(turn="t1", status="failed", error={"code": "c", "message": "No."}), True, None),
    ],
)
def test_how_it_ends(end: Event, modern: bool, last: dict[str, Any] | None) -> None:
    scene = Scene(*BEGUN, chunk("text-start", id="a"), modern=modern)
    scene.add(end)
    finished = {"type": "RUN_FINISHED", "threadId": "c1", "runId": "r1", **(last or {})}
    assert scene.last == (finished if last is not None else {"type": "RUN_ERROR", "code": "c", "message": "No."})


def test_what_is_open_is_listed_until_nothing_is() -> None:
    scene = Scene(*BEGUN, opened("i1"), opened("i2"), opened("i3", "client_tool"), closed("i1"))
    scene.add(TurnWaiting(turn="t1", open=("i2", "i3")))
    assert [one["id"] for one in scene.last["outcome"]["interrupts"]] == ["i2"]  # people first
    for modern, told in ((True, {"pendingToolCallIds": ["call-i3"]}), (False, {})):
        again = Run(Told("c1", "r2", modern, [HI]), "t1")
        fold(scene.state, scene.state.seq + 1, 0, closed("i2"))
        assert again.begin(scene.state)[-1]["outcome"] == {"type": "success", **told}
    on = Scene(*BEGUN, opened("i1"), TurnWaiting(turn="t1", open=("i1",)), closed("i1"))
    assert on.client.last is None  # it is answered, and goes on
    on.add(TurnResumed(turn="t1"), TurnFinished(turn="t1", status="completed"))


def test_a_turn_that_cannot_go_on_says_so_and_still_shows_what_it_asks() -> None:
    blocked = TurnBlocked(turn="t1", code="replay_diverged", message="Another path.")
    scene = Scene(*BEGUN)
    scene.add(blocked)
    assert (scene.last["type"], scene.last["code"]) == ("RUN_ERROR", "replay_diverged")
    scene = Scene(*BEGUN, opened("i1"), TurnWaiting(turn="t1", open=("i1",)), blocked)
    assert scene.last["outcome"]["interrupts"][0]["id"] == "i1"


def test_a_turn_that_sleeps_lets_its_client_go() -> None:
    scene = Scene(*BEGUN)
    scene.add(TurnWaiting(turn="t1", open=("timer",)))
    assert scene.last["outcome"] == {"type": "success"}


def test_who_waits_behind_a_question_is_shown_it() -> None:
    scene = Scene(*BEGUN)
    scene.run = Run(Told("c1", "r1"), "t2")
    scene.client = Client()
    fold(scene.state, scene.state.seq + 1, 0, TurnQueued(turn="t2", agent="a", behind="t1"))
    scene.client.take(scene.run.begin(scene.state))
    assert not scene.run.ended
    scene.add(opened("i1"), TurnWaiting(turn="t1", open=("i1",)))
    assert scene.last["outcome"]["interrupts"][0]["id"] == "i1"


def test_the_shared_state_is_told_when_it_is_another() -> None:
    changed = StateChanged(state={"a": 1}, version=1, by=By("person", "bob"))
    scene = Scene(*BEGUN, changed)
    assert scene.client.state == {"a": 1}
    scene.add(StateChanged(state={"a": 2}, version=2, by=By("person", "bob")))
    assert scene.client.state == {"a": 2}
    same = Run(Told("c1", "r2", True, [HI], {"a": 2}), "t1")
    assert [event["type"] for event in same.begin(scene.state)] == ["RUN_STARTED"]


def test_only_who_speaks_it_is_told_the_version() -> None:
    assert Run(Told("c1", "r1", modern=True), None).begin(State())[0]["protocolVersion"] == "1.0"
    assert "protocolVersion" not in Run(Told("c1", "r1"), None).begin(State())[0]


def test_a_refusal_is_told_after_how_it_stands() -> None:
    run = Run(Told("c1", "r1"), "t1", Busy())
    assert [event["type"] for event in run.begin(State())] == ["RUN_STARTED", "RUN_ERROR"]
    assert run.ended
    lost = Run(Told("c1", "r1"), "t1")
    assert [event["type"] for event in lost.fail("unavailable", "Gone.")] == ["RUN_STARTED", "RUN_ERROR"]


def test_an_old_thread_is_shown_by_its_newest_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "HISTORY_MAX_BYTES", 300)
    state = State()
    for seq in range(1, 21):
        message = Message(f"m{seq}", "user", [{"type": "text", "text": "x" * 50}])
        fold(state, seq, 0, MessageWritten(message=message))
    assert [one["id"] for one in history.history(state)] == ["m18", "m19", "m20"]


def test_a_client_cannot_name_its_message_as_anothers() -> None:
    state = State()
    for seq, (own_id, role, given_id) in enumerate([("m1", "assistant", None), ("m2", "user", "m1")], 1):
        metadata = {"clientId": given_id} if given_id else None
        fold(state, seq, 0, MessageWritten(message=Message(own_id, role, [{"type": "text", "text": "x"}], metadata)))
    assert [one["id"] for one in history.history(state)] == ["m1", "m2"]


@pytest.mark.parametrize("kind", REASONS)
def test_each_kind_says_what_its_payload_must_be(kind: Kind) -> None:
    asked = opened("i1", kind, expiresAt=1_700_000_000_123, responseSchema={"type": "object"}, editable=True)
    shown = interrupts.theirs(msgspec.to_builtins(asked.interrupt))
    Scene(*BEGUN, asked, TurnWaiting(turn="t1", open=("i1",)))  # which holds it against AG-UI's own models
    assert shown["expiresAt"] == "2023-11-14T22:13:20.123Z"
    assert shown["responseSchema"]["type"] == "object"
    assert shown["metadata"]["holdfast"]["kind"] == kind


# ---------------------------------------------------------------- what is taken


@pytest.mark.parametrize(
    "given_content",
    [
        "Hello",
        [
            {"type": "text", "text": "This:"},
            {"type": "image", "source": {"type": "data", "value": "aGk=", "mimeType": "image/png"}},
            {"type": "document", "source": {"type": "url", "value": "https://x/y.pdf", "mimeType": "application/pdf"}},
        ],
    ],
)
def test_what_a_person_says_goes_there_and_back(given_content: Any) -> None:
    assert content(said(given_content)) == given_content


def test_what_was_said_before_1_0_is_understood() -> None:
    binary = [{"type": "binary", "mimeType": "image/png", "data": "aGk=", "filename": "a.png"}]
    file = {"type": "file", "mediaType": "image/png", "url": "data:image/png;base64,aGk=", "filename": "a.png"}
    assert said(binary) == [file]
    assert said([{"type": "video", "source": {"type": "url", "value": "https://x/v"}}])[0]["mediaType"] == "video/*"


@pytest.mark.parametrize(
    "bad", [None, 5, [None], [{"type": "custom"}], [{"type": "image", "source": {"type": "file"}}]]
)
def test_what_cannot_be_said_is_refused(bad: Any) -> None:
    with pytest.raises(BadInput):
        said(bad)


def posting(*messages: dict[str, Any], **more: Any) -> RunInput:
    return RunInput("c1", "r1", [msgspec.Raw(msgspec.json.encode(one)) for one in messages], **more)


@pytest.mark.parametrize(
    ("schema", "given_content", "output"),
    [
        ({"type": "string"}, "42", "42"),
        ({"type": "integer"}, "42", 42),
        (None, '{"city": "Paris"}', {"city": "Paris"}),
        (None, "Paris", "Paris"),
    ],
)
def test_a_text_is_taken_as_json_where_the_tool_gives_that(schema: Any, given_content: str, output: Any) -> None:
    state = Scene(
        *BEGUN, opened("i1", "client_tool", responseSchema=schema), TurnWaiting(turn="t1", open=("i1",))
    ).state
    run = posting({"id": "x", "role": "tool", "toolCallId": "call-i1", "content": given_content})
    assert [one.payload for one in answers(run, posted(run), state)] == [{"output": output}]


def test_an_output_of_a_gated_tool_is_no_answer() -> None:
    state = Scene(*BEGUN, opened("i1"), TurnWaiting(turn="t1", open=("i1",))).state
    run = posting({"id": "x", "role": "tool", "toolCallId": "call-i1", "content": "refunded"})
    assert list(answers(run, posted(run), state)) == []


def test_only_the_last_message_is_a_persons_words() -> None:
    notice = {"id": "s", "role": "developer", "content": "Be kind."}
    run = posting(SAID, notice, context=[{"description": "page", "value": "home"}], forwardedProps={})
    meant = words(run, posted(run))
    assert meant is not None
    assert meant["metadata"] == {"runId": "r1", "context": [{"description": "page", "value": "home"}]}
    assert words(run, posted(posting(SAID, {"id": "a", "role": "assistant", "content": "Hi"}))) is None


# ---------------------------------------------------------------- who may, over HTTP


@pytest.fixture
async def served(store_url: str) -> AsyncGenerator[Web]:
    async with web(store_url) as server:
        yield server


def told(text: str) -> list[dict[str, Any]]:
    return [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")]


async def test_nobody_comes_in_without_a_token(served: Web) -> None:
    assert (await served.post("/agui/support", BODY, by=None)).status_code == 401


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"threadId": "no/such"}, 400, "bad_request"),
        ({"threadId": None}, 400, "bad_request"),
        ({"messages": [{"id": "u1"}]}, 422, "bad_input"),
        ({"messages": [{**SAID, "content": None}]}, 422, "bad_input"),
        ({"resume": [{"interruptId": "i", "status": "resolved"}]}, 404, "not_found"),
    ],
)
async def test_what_says_nothing_is_refused_and_makes_no_session(
    served: Web, change: dict[str, Any], status: int, code: str
) -> None:
    refused = await served.post("/agui/support", BODY | change)
    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert (await served.get("/v1/sessions/c1")).status_code == 404


async def test_an_unknown_agent_is_refused(served: Web) -> None:
    refused = await served.post("/agui/nobody", BODY)
    assert (refused.status_code, refused.json()["code"]) == (404, "unknown_agent")


async def test_a_thread_in_which_nothing_was_said_is_empty(served: Web) -> None:
    reply = await served.post("/agui/support", BODY | {"messages": []})
    assert [event["type"] for event in told(reply.text)] == ["RUN_STARTED", "RUN_FINISHED"]
    assert (await served.get("/v1/sessions/c1")).status_code == 404


async def test_one_answer_of_two_is_kept_and_the_other_is_still_asked(served: Web) -> None:
    scene = await served.scene()
    first, second = await scene.ask(), await scene.ask()
    await scene.wait()
    answer = {"interruptId": first.id, "status": "resolved", "payload": {"approved": True}}
    body = {**BODY, "threadId": scene.session, "messages": [], "resume": [answer]}
    for _ in range(2):  # once more, for its reply may have been lost
        events = told((await served.post("/agui/support", body)).text)
        assert [one["id"] for one in events[-1]["outcome"]["interrupts"]] == [second.id]
    assert len(await scene.events("interrupt.closed")) == 1


async def test_what_is_refused_keeps_nothing_else_from_counting(served: Web) -> None:
    scene = await served.scene()
    first, second = await scene.ask(), await scene.ask()
    await scene.wait()
    resume = [
        {"interruptId": first.id, "status": "resolved", "payload": {"approved": "yes"}},
        {"interruptId": second.id, "status": "cancelled"},
    ]
    body = {**BODY, "threadId": scene.session, "resume": resume}
    events = told((await served.post("/agui/support", body)).text)
    assert (events[-1]["type"], events[-1]["code"]) == ("RUN_ERROR", "bad_input")
    assert [event["interrupt"] for event in await scene.events("interrupt.closed")] == [second.id]
    said_then = [event for event in await scene.events("message") if event["message"]["role"] == "user"]
    assert len(said_then) == 1  # the person's words wait until the answers are right


async def test_the_same_words_posted_again_are_said_once(served: Web) -> None:
    scene = await served.scene()
    await scene.ask_and_wait()
    for _ in range(2):
        events = told((await served.post("/agui/support", {**BODY, "threadId": scene.session})).text)
        assert events[-1]["outcome"]["type"] == "interrupt"
    said_then = [event for event in await scene.events("message") if event["message"]["role"] == "user"]
    assert [event["message"].get("metadata", {}).get("clientId") for event in said_then] == [None, "u1"]


async def test_what_another_device_said_is_not_said_again(served: Web) -> None:
    scene = await served.scene()
    await scene.ask_and_wait()
    before = [placed.message.id for placed in (await folded(served.backend, scene.session)).ordered]
    body = {**BODY, "threadId": scene.session, "messages": [{**SAID, "id": before[0]}]}
    assert told((await served.post("/agui/support", body)).text)[-1]["outcome"]["type"] == "interrupt"
    assert [placed.message.id for placed in (await folded(served.backend, scene.session)).ordered] == before


async def test_a_stranger_learns_nothing(served: Web) -> None:
    scene = await served.scene()
    shown = await scene.ask_and_wait()
    answer = {"interruptId": shown.id, "status": "resolved", "payload": {"approved": True}}
    body = {**BODY, "threadId": scene.session, "resume": [answer]}
    for change in ({}, {"resume": None}, {"resume": None, "messages": []}):
        reply = await served.post("/agui/support", body | change, by="mallory")
        assert shown.id not in reply.text
        assert "Refund" not in reply.text
    assert await scene.events("interrupt.closed") == []
