"""Frames: what is taken, what is refused and with which words, and bytes that are never encoded again."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.errors import BadRequest, Busy, TooLarge, UnknownFrame
from holdfast.protocol import frames
from holdfast.protocol.frames import FRAME_MAX_BYTES

GOOD: list[dict[str, Any]] = [
    {"type": "hello", "token": "t"},
    {"type": "hello", "token": "t", "device": "phone"},
    {"type": "start", "ref": "r", "agent": "a"},
    {"type": "start", "ref": "r", "agent": "a", "input": None},
    {"type": "attach", "ref": "r", "session": "s"},
    {"type": "attach", "ref": "r", "session": "s", "since": {"epoch": "e", "seq": 5}, "limit": 9},
    {"type": "detach", "session": "s"},
    {"type": "history", "ref": "r", "session": "s", "before": 5},
    {"type": "send", "ref": "r", "session": "s", "message": "hello"},
    {"type": "send", "ref": "r", "session": "s", "message": {"parts": []}, "mode": "queue"},
    {"type": "answer", "ref": "r", "session": "s", "interrupt": "i", "status": "resolved", "payload": None},
    {"type": "update", "ref": "r", "session": "s", "updates": []},
    {"type": "cancel", "ref": "r", "session": "s"},
    {"type": "notify", "ref": "r", "text": "Done.", "to": ["role:ops"]},
    {"type": "ping"},
    {"type": "patch", "ref": "r", "session": "s", "patch": [{"op": "remove", "path": "/a"}], "version": 3},
    {"type": "gate", "ref": "r", "id": "deploy-42", "name": "deploy", "payload": None, "expires": "2 h"},
    {"type": "answer_many", "ref": "r", "answers": [{"session": "s", "interrupt": "i", "status": "resolved"}]},
    {"type": "claim", "ref": "r", "session": "s", "interrupt": "i", "for_ms": 0},
    {"type": "withdraw", "ref": "r", "session": "s", "interrupt": "i", "reason": "moot"},
    {"type": "feedback", "ref": "r", "session": "s", "target": {"message": "m"}, "score": 1, "labels": ["kind"]},
    {"type": "progress", "ref": "r", "session": "s", "interrupt": "i", "progress": 0.5, "device": "d"},
    {"type": "continue", "ref": "r", "session": "s", "turn": "t"},
    {"type": "takeover", "ref": "r", "session": "s"},
    {"type": "branch", "ref": "r", "session": "s", "branch": ""},
    {"type": "handback", "ref": "r", "session": "s", "answered": True},
]


@pytest.mark.parametrize("frame", GOOD, ids=lambda frame: frame["type"])
def test_good_frames(frame: dict[str, Any]) -> None:
    decoded = frames.decode(msgspec.json.encode(frame))
    assert msgspec.to_builtins(decoded)["type"] == frame["type"]
    assert frames.decode(msgspec.json.encode(frame | {"of": "a later version"})) == decoded


def test_every_frame_of_a_device_is_tried_here() -> None:
    assert {frame["type"] for frame in GOOD} == {kind.__struct_config__.tag for kind in frames.DeviceFrame.__args__}


@pytest.mark.parametrize(
    ("frame", "named"),
    [
        ({"type": "send", "ref": "r7", "session": "s"}, "message"),
        ({"type": "send", "ref": "r7", "session": 5, "message": "x"}, "session"),
        ({"type": "send", "ref": "r7", "session": "s", "message": "x", "mode": "loud"}, "mode"),
        ({"type": "answer", "ref": "r7", "session": "s", "interrupt": "i", "status": "open"}, "status"),
        ({"type": "attach", "ref": "r7", "session": "s", "since": 5}, "since"),
        ({"type": "attach", "ref": "r7", "session": "s", "since": {"seq": 5}}, "epoch"),
        ({"type": "attach", "ref": "r7", "session": "s", "since": {"epoch": "e", "seq": 1.5}}, "seq"),
        ({"type": "history", "ref": "r7", "session": "s", "before": "5"}, "before"),
        ({"type": "update", "ref": "r7", "session": "s", "updates": [{"type": "text"}]}, "updates"),
    ],
)
def test_malformed_frames_say_what_and_where_and_whose(frame: dict[str, Any], named: str) -> None:
    with pytest.raises(BadRequest, match=named) as caught:
        frames.decode(msgspec.json.encode(frame))
    assert caught.value.code == "bad_request"
    assert caught.value.details == {"ref": "r7"}


@pytest.mark.parametrize("frame", [{"type": "of.a.later.version"}, {"type": None}, {}, {"type": 5}, {"type": ["send"]}])
def test_unknown_types(frame: dict[str, Any]) -> None:
    with pytest.raises(UnknownFrame) as caught:
        frames.decode(msgspec.json.encode(frame | {"ref": "r"}))
    assert caught.value.details == {"ref": "r"}


def test_a_frame_without_a_type_hears_that_it_has_none() -> None:
    with pytest.raises(UnknownFrame, match="has none"):
        frames.decode(b'{"ref": "r"}')


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"5",
        b'"send"',
        b"null",
        b"\xff\xfe",
        b'{"type":"ping"} {}',
        b'{"type":"ping","x":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    ],
)
def test_what_is_no_frame(data: bytes) -> None:
    with pytest.raises(BadRequest):
        frames.decode(data)


@given(data=st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_whatever_comes_is_a_frame_or_a_refusal(data: bytes) -> None:
    with suppress(BadRequest):  # nothing else may come of it
        frames.decode(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "ref", "session", "since", "seq", "updates", "message"]),
            inner,
            max_size=4,
        )
    ),
)


NAMES = st.sampled_from(["ref", "session", "message", "since", "updates"])


@given(body=st.dictionaries(NAMES, JSON), kind=st.sampled_from([frame["type"] for frame in GOOD]))
def test_whatever_is_in_a_frame_is_refused_or_understood(body: dict[str, Any], kind: str) -> None:
    try:
        frames.decode(msgspec.json.encode(body | {"type": kind}))
    except BadRequest as error:
        told = error.details
    else:
        return
    assert told == ({"ref": body["ref"]} if isinstance(body.get("ref"), str) else {})


def test_too_large() -> None:
    with pytest.raises(TooLarge):
        frames.decode(b" " * (FRAME_MAX_BYTES + 1))
    assert frames.decode(b'{"type":"ping"}'.ljust(FRAME_MAX_BYTES)) == frames.Ping()


@given(
    session=st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True),
    seq=st.integers(1, 2**53),
    before=st.integers(0, 100),
    event=st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3),
)
def test_the_frame_of_a_stored_event_is_what_encoding_it_would_give(
    session: str, seq: int, before: int, event: dict[str, str]
) -> None:
    stored = msgspec.json.encode(event)
    from_ = seq - before
    frame = frames.event_frame(session, seq, 7, stored, from_)
    assert stored in frame
    expected = {"type": "event", "session": session, "seq": seq, "at": 7, "event": event}
    assert msgspec.json.decode(frame) == (expected | {"from": from_} if before else expected)
    decoded = msgspec.json.decode(frame, type=frames.EventFrame)
    assert (decoded.seq, decoded.from_) == (seq, from_ if before else None)


def test_an_event_for_itself_alone_has_no_from() -> None:
    assert b"from" not in frames.event_frame("s", 5, 7, b"{}")


def test_an_error_says_its_code_and_whether_to_try_again() -> None:
    frame = frames.error_frame(Busy(), "r")
    assert msgspec.to_builtins(frame) == {
        "type": "error", "ref": "r", "code": "busy", "retry": True,
        "message": "Too many writers at once; try again.",
    }  # fmt: skip
    details = msgspec.to_builtins(frames.error_frame(TooLarge("Over.", limit=5)))
    assert details["details"] == {"limit": 5}
    assert "ref" not in details


@pytest.mark.parametrize(
    "data",
    [
        b'{"type":"send","ref":"r1","session":"s","message":"\\ud83d"}',
        b'{"type":"send","ref" : "r1","session":"s","message":"\xff"}',
        b'{"ref":"r1","type":"answer","payload":' + b"[" * 100_000,
    ],
    ids=["a lone surrogate", "not UTF-8", "nested too deeply"],
)
def test_a_frame_that_cannot_be_read_is_refused_to_whoever_sent_it(data: bytes) -> None:
    with pytest.raises(BadRequest) as refused:
        frames.decode(data)
    assert refused.value.details["ref"] == "r1"
