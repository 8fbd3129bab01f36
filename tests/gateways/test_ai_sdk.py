"""The edges of the AI SDK's wires: who may, what is refused, and what a reply says when things go wrong."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import msgspec
import pytest
from tests.gateways.rest import Web, web

from holdfast.commands.reading import folded
from holdfast.core.errors import BadInput
from holdfast.core.events import ChunkWritten, Event, MessageRewound, TurnFinished, TurnQueued, TurnStarted, TurnWaiting
from holdfast.core.folding import State
from holdfast.core.messages import Message
from holdfast.gateways.ai_sdk.posted import Chat, meant
from holdfast.gateways.ai_sdk.replay import Chunk
from holdfast.gateways.ai_sdk.reply import Reply

SAID = {"id": "u1", "role": "user", "parts": [{"type": "text", "text": "Refund A-17"}]}
BODY = {"id": "c1", "messages": [SAID], "trigger": "submit-message"}


@pytest.fixture
async def served(store_url: str) -> AsyncGenerator[Web]:
    async with web(store_url) as server:
        yield server


async def test_nobody_comes_in_without_a_token(served: Web) -> None:
    assert (await served.post("/ai/chat/support", BODY, by=None)).status_code == 401
    assert (await served.get("/ai/chat/support/c1/stream", by=None)).status_code == 401


async def test_other_versions_are_refused(served: Web) -> None:
    refused = await served.post("/ai/chat/support", BODY, headers={"X-AI-SDK-Version": "5.0.1"})
    assert (refused.status_code, refused.json()["code"]) == (400, "bad_request")


@pytest.mark.parametrize(
    "change",
    [
        {"messages": []},
        {"messages": [{"id": "u1"}]},
        {"messages": [{**SAID, "role": "system"}]},
        {"messageId": "elsewhere"},
        {"trigger": "regenerate-message", "messages": [{**SAID, "role": "assistant"}]},
    ],
)
async def test_what_says_nothing_is_refused_and_makes_no_session(served: Web, change: dict[str, Any]) -> None:
    refused = await served.post("/ai/chat/support", BODY | change)
    assert (refused.status_code, refused.json()["code"]) == (422, "bad_input")
    assert (await served.get("/v1/sessions/c1")).status_code == 404


async def test_nothing_was_said_yet(served: Web) -> None:
    assert (await served.get("/ai/chat/support/c1/stream")).status_code == 204


async def test_only_the_last_message_is_read_of_a_long_history(served: Web) -> None:
    scene = await served.scene()
    shown = await scene.ask_and_wait()
    forged = {"id": "m0", "role": "assistant", "parts": [{"type": "text", "text": "x" * 300_000}]}
    body = {"id": scene.session, "messages": [forged, SAID]}
    reply = await served.post("/ai/chat/support", body)
    assert reply.status_code == 200
    assert reply.headers["x-vercel-ai-ui-message-stream"] == "v1"
    assert reply.text.endswith('data: {"type":"finish","finishReason":"other"}\n\ndata: [DONE]\n\n')
    state = await folded(served.backend, scene.session)
    said = [placed.message.text for placed in state.ordered if placed.message.role == "user"]
    assert said == ["Refund A-17", "Refund A-17"]
    assert "m0" not in state.messages
    assert shown.id in state.interrupts


def test_the_message_that_is_named_is_meant() -> None:
    chat = Chat("c1", [raw(SAID), raw({**SAID, "id": "u2"})], messageId="u1")
    assert meant(chat).id == "u1"
    with pytest.raises(BadInput):
        meant(Chat("c1", [raw(SAID)], messageId="u3"))


class Told:
    """A reply to one turn, told event after event."""

    def __init__(self, *events: Event) -> None:
        self.reply = Reply("t1")
        self.seq = 0
        self.chunks = self.reply.begin(State())
        for event in events:
            self.add(event)

    def add(self, event: Event) -> list[Chunk]:
        self.seq += 1
        said = self.reply.tell(self.seq, 0, event)
        self.chunks += said
        return said


BEGUN = (TurnQueued(turn="t1", agent="a"), TurnStarted(turn="t1", agent="a", message="m1"))


def chunk(kind: str, **fields: Any) -> ChunkWritten:
    return ChunkWritten(turn="t1", message="m1", chunk={"type": kind, **fields})


def test_what_a_dead_worker_said_is_taken_back() -> None:
    told = Told(*BEGUN, chunk("text-start", id="a"), chunk("text-delta", id="a", delta="void"))
    kept = Message("m1", "assistant", [{"type": "text", "text": "kept", "state": "done"}])
    rewound = told.add(MessageRewound(message=kept, turn="t1"))
    assert [each["type"] for each in rewound] == ["reset-step", "text-start", "text-delta", "text-end"]


def test_what_cannot_be_continued_begins_anew() -> None:
    told = Told(*BEGUN)
    assert told.add(chunk("text-end", id="x")) == [{"type": "start", "messageId": "m1"}]
    assert [each["type"] for each in told.add(chunk("text-delta", id="x", delta="b"))] == ["text-start", "text-delta"]
    assert told.add(chunk("tool-output-available", toolCallId="never", output=1)) == []


def test_an_agent_cannot_end_the_stream_of_its_chat() -> None:
    told = Told(*BEGUN)
    assert [told.add(chunk(kind, errorText="x"))[1:] for kind in ("error",)] == [[]]
    assert told.add(chunk("finish", messageMetadata={"tokens": 5})) == [
        {"type": "message-metadata", "messageMetadata": {"tokens": 5}}
    ]
    assert not told.reply.ended


@pytest.mark.parametrize(
    ("end", "last"),
    [
        (TurnFinished(turn="t1", status="completed"), {"type": "finish", "finishReason": "stop"}),
        (TurnFinished(turn="t1", status="cancelled"), {"type": "abort", "reason": "cancelled"}),
        (TurnFinished(turn="t1", status="failed", error={"message": "No."}), {"type": "error", "errorText": "No."}),
        (TurnWaiting(turn="t1", open=("i1",)), {"type": "finish", "finishReason": "tool-calls"}),
    ],
)
def test_how_it_ends(end: Event, last: Chunk) -> None:
    told = Told(*BEGUN, chunk("text-start", id="a"))
    assert told.add(end) == [{"type": "text-end", "id": "a"}, last]
    assert told.reply.ended


def test_a_chat_that_waits_behind_a_question_is_free_to_answer_it() -> None:
    told = Told(TurnQueued(turn="t0", agent="a"), TurnStarted(turn="t0", agent="a", message="m0"))
    told.add(TurnQueued(turn="t1", agent="a", behind="t0"))
    assert not told.reply.ended
    told.add(TurnWaiting(turn="t0", open=("i0",)))
    assert told.reply.ended


def raw(value: Any) -> Any:
    return msgspec.Raw(msgspec.json.encode(value))
