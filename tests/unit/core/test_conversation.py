"""Conversations: what starts one, what a device may say in it, and who is in it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from holdfast.core import conversation, ids, turns
from holdfast.core.commit import Commit, Job
from holdfast.core.conversation import Sent, user_message
from holdfast.core.errors import BadInput, LimitReached
from holdfast.core.events import Event, MessageWritten, SessionCreated, SessionUpdated, TurnQueued
from holdfast.core.folding import State, fold
from holdfast.core.identity import By, Principal
from holdfast.core.messages import Message
from holdfast.core.session import QUEUE_MAX, SessionInfo, SessionRecord
from holdfast.core.turns import Requester, TurnRecord

ALICE = Principal("alice", roles=("customer",), name="Alice")
INFO = SessionInfo("s", "support", "alice", {"alice": "owner"}, 10)


def said(raw: Any, ref: str = "r1") -> Message:
    return user_message(raw, session="s", principal=ALICE, ref=ref)


def sent(ref: str = "r1", text: str = "hello") -> Sent:
    return Sent(said(text, ref), None, "alice", ref)


def put(commit: Commit, kind: type[Any]) -> Any:
    [found] = [record for record in commit.puts if isinstance(record, kind)]
    return found


def folded(*events: Event) -> State:
    state = State()
    for seq, event in enumerate(events, start=1):
        fold(state, seq, 100 + seq, event)
    return state


# ---------------------------------------------------------------- what a device says


def test_a_text_is_a_message_with_one_part() -> None:
    message = said("hello")
    assert message.parts == [{"type": "text", "text": "hello"}]
    assert message.role == "user"
    assert message.metadata == {"by": {"kind": "person", "id": "alice", "name": "Alice"}, "ref": "r1"}
    assert message.id == ids.user_message_id("s", "alice", "r1")


def test_repeated_it_is_the_same_message() -> None:
    assert said("hello") == said("hello")
    assert said("hello", "r1").id != said("hello", "r2").id


def test_a_message_of_parts_keeps_what_its_client_gave_it_but_its_id() -> None:
    file = {"type": "file", "url": "https://x/y.png", "mediaType": "image/png", "filename": "y.png"}
    raw = {
        "id": "own-id",
        "role": "user",
        "parts": [{"type": "text", "text": ""}, file],
        "metadata": {"k": 1},
    }
    message = said(raw)
    # An id of the device's choosing could be that of another's message, or of the agent's (promise 8).
    assert (message.id, message.parts[1]) == (said("hello").id, file)
    assert message.metadata is not None
    assert (message.metadata["k"], message.metadata["clientId"]) == (1, "own-id")


def test_whose_message_it_is_comes_from_the_token() -> None:
    forged = {"parts": [{"type": "text", "text": "x"}], "metadata": {"by": {"kind": "person", "id": "bob"}}}
    message = said(forged)
    assert message.metadata is not None
    assert message.metadata["by"]["id"] == "alice"


@pytest.mark.parametrize(
    "raw",
    [
        None, 5, True, [], ["hello"], {}, {"text": "hello"}, {"parts": []}, {"parts": {}}, {"parts": "hello"},
        {"parts": ["hello"]}, {"parts": [None]}, {"parts": [{}]}, {"parts": [{"type": "text"}]},
        {"parts": [{"type": "text", "text": 5}]}, {"parts": [{"type": "file"}]},
        {"parts": [{"type": "file", "url": None}]}, {"parts": [{"type": ["text"], "text": "x"}]},
        {"parts": [{"type": "text", "text": "x"}], "metadata": [1]},
        {"parts": [{"type": "text", "text": "x"}], "metadata": "x"},
        {"parts": [{"type": "text", "text": "x"}], "id": "with blank"},
        {"parts": [{"type": "text", "text": "x"}], "id": "x" * 129},
        {"parts": [{"type": "text", "text": "x"}], "id": 5},
        {"parts": [{"type": "text", "text": "x"}], "id": "a\n"},
    ],
)  # fmt: skip
def test_what_is_no_message(raw: Any) -> None:
    with pytest.raises(BadInput, match=r"^message"):
        said(raw)


@pytest.mark.parametrize("role", ["assistant", "system", "", None, 5, "User"])
def test_a_device_has_one_role(role: Any) -> None:
    with pytest.raises(BadInput, match="role"):
        said({"role": role, "parts": [{"type": "text", "text": "x"}]})


@pytest.mark.parametrize(
    "kind",
    [
        "tool-refund",
        "dynamic-tool",
        "reasoning",
        "step-start",
        "source-url",
        "data-x",
        "",
        "Text",
        "reasoning-file",
    ],
)
def test_only_an_agent_writes_what_an_agent_writes(kind: str) -> None:
    part = {
        "type": kind,
        "text": "x",
        "url": "x",
        "toolCallId": "c",
        "state": "output-available",
        "output": 1,
    }
    with pytest.raises(BadInput, match=r"parts\[1\]"):
        said({"parts": [{"type": "text", "text": "x"}, part]})


# ---------------------------------------------------------------- starting


def test_a_session_with_nothing_said_waits_for_its_first_message() -> None:
    commit = conversation.start(INFO, "salt", ALICE, None, "1")
    assert commit.creates
    assert commit.events == [SessionCreated(INFO)]
    session = put(commit, SessionRecord)
    assert (session.salt, session.active, session.queue, session.version) == ("salt", None, (), 0)
    assert (commit.jobs, commit.list_for) == ([], ["alice"])
    assert [(entry.action, entry.by) for entry in commit.audit] == [("session.created", ALICE.by)]


def test_a_session_with_its_first_turn() -> None:
    commit = conversation.start(INFO, "salt", ALICE, sent(), "7")
    turn = put(commit, TurnRecord)
    assert (turn.status, turn.agent, turn.agent_version, turn.version) == ("ready", "support", "7", 0)
    assert turn.id == ids.turn_id("s", "alice", "r1")
    assert (turn.cause, turn.message) == (said("hello").id, ids.message_id(turn.id))
    assert turn.requester == Requester("alice", ("customer",), "Alice")
    assert put(commit, SessionRecord).active == turn.id
    assert commit.jobs == [Job(turn.id, "support@7")]


def test_an_input_without_a_message_is_a_turn_too() -> None:
    commit = conversation.start(INFO, "salt", ALICE, Sent(None, None, "alice", "r1"), "1")
    turn = put(commit, TurnRecord)
    assert (turn.status, turn.cause, turn.input) == ("ready", None, None)
    assert not any(isinstance(event, MessageWritten) for event in commit.events)


# ---------------------------------------------------------------- sending


def test_a_message_to_an_idle_session_is_ready_at_once() -> None:
    idle = SessionRecord(info=INFO, salt="x", version=4)
    commit, turn = conversation.send(idle, ALICE, sent(), "1", 20)
    assert (turn.status, turn.created_at_ms, commit.jobs) == ("ready", 20, [turn.job])
    assert (put(commit, SessionRecord).active, put(commit, SessionRecord).version) == (turn.id, 4)


def test_a_message_behind_a_turn_waits_for_it() -> None:
    busy = SessionRecord(info=INFO, salt="x", active="t_0.s", queue=("t_1.s",), version=4)
    commit, turn = conversation.send(busy, ALICE, sent(), "1", 20)
    assert (turn.status, commit.jobs) == ("queued", [])
    assert TurnQueued(turn.id, "support", "t_0.s", ahead=2) in commit.events
    after = put(commit, SessionRecord)
    assert (after.active, after.queue) == ("t_0.s", ("t_1.s", turn.id))


def test_a_queue_has_an_end() -> None:
    queue = tuple(f"t_{number}.s" for number in range(QUEUE_MAX))
    full = SessionRecord(info=INFO, salt="x", active="t_a.s", queue=queue)
    with pytest.raises(LimitReached) as caught:
        conversation.send(full, ALICE, sent(), "1", 20)
    assert caught.value.details == {"limit": QUEUE_MAX, "behind": "t_a.s"}
    conversation.send(replace(full, queue=queue[1:]), ALICE, sent(), "1", 20)


@pytest.mark.parametrize("end", ["cancelled", "failed"])
def test_a_turn_that_no_worker_ever_took_is_seen_all_the_same(end: Any) -> None:
    # No worker has its version: it is blocked or cancelled before it started, and people must see that.
    commit = conversation.start(INFO, "salt", ALICE, sent(), "1")
    turn, session = put(commit, TurnRecord), put(commit, SessionRecord)
    blocked = turns.block(turn, "no_worker", "Nobody runs version 1.")
    seen = folded(*commit.events, *blocked.events)
    assert seen.turns[turn.id].status == "blocked"
    finished = turns.finish(session, put(blocked, TurnRecord), None, end)
    seen = folded(*commit.events, *blocked.events, *finished.events)
    assert (seen.turns[turn.id].status, seen.turns[turn.id].end) == ("finished", end)


# ---------------------------------------------------------------- changing


def test_members_who_are_gone_are_unlisted() -> None:
    session = SessionRecord(info=replace(INFO, members={"alice": "owner", "bob": "member"}), salt="x", version=2)
    changed = replace(INFO, members={"alice": "owner", "carol": "member"}, title="New")
    commit = conversation.update(session, changed, By("person", "alice"))
    assert (commit.list_for, commit.unlist_for) == (["alice", "carol"], ["bob"])
    assert commit.events == [SessionUpdated(changed)]
    assert (put(commit, SessionRecord).info, put(commit, SessionRecord).version) == (changed, 2)
    assert [entry.action for entry in commit.audit] == ["session.updated"]


@pytest.mark.parametrize("raw", ["", "  \n", {"parts": [{"type": "text", "text": " "}]}])
def test_an_empty_message_is_none(raw: Any) -> None:
    with pytest.raises(BadInput, match="empty"):
        user_message(raw, session="s", principal=Principal("alice"), ref="r")


@pytest.mark.parametrize("url", ["javascript:alert(1)", "file:///etc/hosts", "", None, 5])
def test_a_file_comes_from_the_web_or_with_the_message(url: Any) -> None:
    raw = {"parts": [{"type": "file", "url": url, "mediaType": "image/png"}]}
    with pytest.raises(BadInput, match="url"):
        user_message(raw, session="s", principal=Principal("alice"), ref="r")
