"""A session's record: what is shown of it is in it whole."""

from __future__ import annotations

import msgspec

from holdfast.core.session import SessionInfo, SessionRecord

INFO = SessionInfo("s", "a", "alice", {"alice": "owner", "bob": "member"}, 1)


def test_a_new_session_has_nothing_to_do() -> None:
    record = SessionRecord(info=INFO, salt="x")
    assert (record.id, record.members, record.active, record.queue) == ("s", INFO.members, None, ())


def test_the_salt_is_not_shown() -> None:
    assert "salt" not in msgspec.to_builtins(INFO)


def test_it_comes_back_as_it_went() -> None:
    record = SessionRecord(info=INFO, salt="x", active="t_1.s", queue=("t_2.s", "t_3.s"))
    assert msgspec.json.decode(msgspec.json.encode(record), type=SessionRecord) == record
