"""A device's connection without its I/O: every frame, in every state."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.errors import BadRequest, LimitReached, TooLarge, UnknownFrame
from holdfast.core.identity import Principal
from holdfast.core.ids import session_id
from holdfast.protocol import close_codes, frames
from holdfast.protocol.connection import Authenticate, Close, Connection, Perform, Pong, Refuse
from holdfast.protocol.limits import Limits

ALICE = Principal("alice", expires_at_ms=50_000)


def frame(kind: str, **fields: Any) -> bytes:
    return msgspec.json.encode({"type": kind, **fields})


def open_connection(**limits: int) -> Connection:
    connection = Connection(Limits(**limits), 0)
    connection.welcome(ALICE)
    return connection


ATTACH = {"ref": "a", "session": "s1"}


def test_a_hello_is_to_be_authenticated_once() -> None:
    connection = Connection(Limits(), 0)
    assert connection.receive(frame("hello", token="t", device="phone")) == Authenticate(frames.Hello("t", "phone"))
    again = connection.receive(frame("hello", token="t"))
    assert isinstance(again, Refuse)
    assert isinstance(again.error, BadRequest)


def test_before_the_welcome_only_hello_and_ping_are_heard() -> None:
    connection = Connection(Limits(), 0)
    assert connection.receive(frame("ping")) == Pong()
    step = connection.receive(frame("attach", **ATTACH))
    assert isinstance(step, Close)
    assert step.code is close_codes.UNAUTHENTICATED


def test_no_hello_in_time_is_overdue() -> None:
    connection = Connection(Limits(), 1_000)
    assert connection.deadline_ms == 11_000
    assert connection.overdue(10_999) is None
    assert connection.overdue(11_000) == Close(close_codes.NO_HELLO)


def test_an_expired_token_is_overdue() -> None:
    connection = open_connection()
    assert connection.deadline_ms == 50_000
    assert connection.overdue(49_999) is None
    assert connection.overdue(50_000) == Close(close_codes.TOKEN_EXPIRED)


def test_a_token_without_end_has_no_deadline() -> None:
    connection = Connection(Limits(), 0)
    connection.welcome(Principal("alice"))
    assert connection.deadline_ms is None
    assert connection.overdue(10**15) is None


@pytest.mark.parametrize(
    ("kind", "fields", "lane"),
    [
        ("attach", ATTACH, "s1"),
        ("detach", {"session": "s1"}, "s1"),
        ("history", {"ref": "h", "session": "s1", "before": 3}, "s1"),
        ("send", {"ref": "x", "session": "s1", "message": "hi"}, "s1"),
        (
            "answer",
            {"ref": "x", "session": "s1", "interrupt": "i_1.s1", "status": "resolved", "payload": {}},
            "s1",
        ),
        ("answer_many", {"ref": "x", "answers": [{"session": "s1", "interrupt": "i", "status": "resolved"}] * 2}, "s1"),
        (
            "answer_many",
            {"ref": "x", "answers": [{"session": s, "interrupt": "i", "status": "resolved"} for s in ("s1", "s2")]},
            "",
        ),
        ("claim", {"ref": "x", "session": "s1", "interrupt": "i"}, "s1"),
        ("withdraw", {"ref": "x", "session": "s1", "interrupt": "i"}, "s1"),
        ("update", {"ref": "x", "session": "s1", "updates": []}, "s1"),
        ("cancel", {"ref": "x", "session": "s1"}, "s1"),
        ("start", {"ref": "x", "agent": "a", "id": "mine"}, "mine"),
        ("start", {"ref": "x", "agent": "a"}, session_id("alice", "x")),
        ("progress", {"ref": "x", "session": "s", "interrupt": "i", "progress": None}, "s"),
        ("continue", {"ref": "x", "session": "s", "turn": "t"}, "s"),
        ("takeover", {"ref": "x", "session": "s"}, "s"),
        ("handback", {"ref": "x", "session": "s"}, "s"),
        ("feedback", {"ref": "x", "session": "s", "target": {"message": "m"}}, "s"),
    ],
)
def test_a_command_is_to_be_performed_in_the_lane_of_its_session(kind: str, fields: dict[str, Any], lane: str) -> None:
    step = open_connection().receive(frame(kind, **fields))
    assert isinstance(step, Perform)
    assert step.lane == lane


def test_sessions_are_limited_and_detach_makes_room() -> None:
    connection = open_connection(sessions_max=2)
    for session in ("s1", "s2", "s1"):
        assert isinstance(connection.receive(frame("attach", ref="a", session=session)), Perform)
    step = connection.receive(frame("attach", ref="a3", session="s3"))
    assert isinstance(step, Refuse)
    assert isinstance(step.error, LimitReached)
    assert step.ref == "a3"
    connection.receive(frame("detach", session="s1"))
    assert isinstance(connection.receive(frame("attach", ref="a", session="s3")), Perform)


def test_it_is_full_until_a_command_is_settled() -> None:
    connection = open_connection(pending_max=2)
    for _ in range(2):
        assert not connection.full
        connection.receive(frame("send", ref="x", session="s1", message="hi"))
    assert connection.full
    connection.settled()
    assert not connection.full


@pytest.mark.parametrize(
    ("data", "error", "ref"),
    [
        (b"nonsense", BadRequest, None),
        (b"[]", BadRequest, None),
        (b"\xff", BadRequest, None),
        (b"{}", UnknownFrame, None),
        (b'{"type":"dance","ref":"r"}', UnknownFrame, "r"),
        (b'{"type":"attach","ref":"r"}', BadRequest, "r"),
        (b'{"type":"attach","ref":"r","session":"s","since":{"epoch":1}}', BadRequest, "r"),
        (b'{"type":"attach","ref":"r","session":"s","since":{"epoch":"e","seq":"5"}}', BadRequest, "r"),
        (b'{"type":"answer","ref":"r","session":"s","interrupt":"i","status":"perhaps"}', BadRequest, "r"),
    ],
)
def test_what_is_malformed_is_refused_with_its_ref(data: bytes, error: type[Exception], ref: str | None) -> None:
    step = open_connection().receive(data)
    assert isinstance(step, Refuse)
    assert type(step.error) is error
    assert step.ref == ref


def test_a_frame_over_the_limit_closes() -> None:
    step = open_connection(frame_max_bytes=100).receive(b" " * 101)
    assert isinstance(step, Close)
    assert step.code is close_codes.TOO_LARGE
    assert isinstance(step.error, TooLarge)


def test_too_many_bad_frames_one_after_the_other_close() -> None:
    connection = open_connection(bad_frames_max=2)
    for _ in range(5):
        connection.receive(b"bad")
        connection.receive(b"bad")
        connection.receive(frame("ping"))
    for _ in range(2):
        assert isinstance(connection.receive(b"bad"), Refuse)
    step = connection.receive(b"bad")
    assert isinstance(step, Close)
    assert step.code is close_codes.BAD_FRAMES
    assert not step.code.come_back


def test_a_device_of_a_later_version_is_not_a_bad_one() -> None:
    connection = open_connection(bad_frames_max=2)
    for _ in range(50):
        assert isinstance(connection.receive(b'{"type":"dance"}'), Refuse)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
kinds = st.sampled_from(["hello", "start", "attach", "detach", "history", "send", "answer", "update", "cancel", "ping"])


@given(
    st.binary()
    | st.dictionaries(st.text(), values).flatmap(lambda d: kinds.map(lambda k: msgspec.json.encode({**d, "type": k})))
)
def test_whatever_comes_there_is_a_step_and_no_error(data: bytes) -> None:
    step = open_connection().receive(data)
    assert isinstance(step, Authenticate | Perform | Pong | Refuse | Close)
