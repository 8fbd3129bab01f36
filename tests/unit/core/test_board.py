"""The board: what stands there, who speaks, and when it is full."""

from __future__ import annotations

from msgspec.structs import replace

from holdfast.core import board, ids, notices
from holdfast.core.events import MessageWritten, SessionCreated
from holdfast.core.identity import Principal

ALICE = Principal("alice", name="Alice")
NEW = board.begun(ids.board_id("alice", 0), "x", ALICE, 5)


def test_the_first_notice_begins_the_board() -> None:
    commit = board.post(NEW, ALICE, "Done.", ("alice",), "mcp", "r1")
    created, written = commit.events
    assert commit.creates
    assert isinstance(created, SessionCreated)
    assert (created.session.agent, created.session.title, created.session.owner) == ("", "Notices", "alice")
    assert isinstance(written, MessageWritten)
    assert (written.message.role, written.message.text, written.turn) == ("assistant", "Done.", None)
    assert written.message.metadata == {
        "by": {"kind": "person", "id": "alice", "name": "Alice"},
        "notice": True,
        "to": ["alice"],
        "ref": "r1",
    }
    assert (commit.puts, commit.list_for) == ([NEW], ["alice"])
    assert [entry.action for entry in commit.audit] == ["session.created"]


def test_the_next_one_only_stands_there() -> None:
    commit = board.post(replace(NEW, version=1), ALICE, "Done.", (), "mcp", "r2")
    assert not commit.creates
    assert len(commit.events) == 1
    assert not commit.audit


def test_two_notices_have_two_names() -> None:
    said = [notice for ref in "ab" for notice in board.post(NEW, ALICE, "Done.", (), "mcp", ref).notices]
    assert len({notices.id_of(one) for one in said}) == 2
    shown = notices.shown(said[0], 7, None)
    assert (shown.kind, shown.turn, shown.text) == ("turn.notice", None, "Done.")


def test_when_it_is_full() -> None:
    assert not board.is_full(replace(NEW, version=board.NOTICES_MAX - 1))
    assert board.is_full(replace(NEW, version=board.NOTICES_MAX))


def test_each_person_has_boards_of_their_own() -> None:
    assert len({ids.board_id(subject, number) for subject in ("alice", "bob") for number in (0, 1)}) == 4
