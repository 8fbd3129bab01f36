"""Instructions: what a Commit says in the words that commit.lua knows, and no other words."""

from __future__ import annotations

import re
from importlib.resources import files

import msgspec
import pytest
from tests.store.sessions import ALICE, SESSION, appending, named

from holdfast.core import conversation, turns
from holdfast.core.audit import AuditEntry
from holdfast.core.commit import Commit, Fence, Job, Notice, Trim, Writer
from holdfast.core.deadlines import Deadline
from holdfast.core.identity import By
from holdfast.core.session import SessionInfo
from holdfast.store.instructions import Instructions, stored
from holdfast.store.keys import Keys

KEYS = Keys(partitions=1)
LUA = files("holdfast.store").joinpath("commit.lua").read_text()


def arguments_of_words() -> dict[str, int]:
    table = LUA[LUA.index("local ARGUMENTS = {") : LUA.index("local TYPE_OF")]
    return {word: int(count) for word, count in re.findall(r"^  (\w+) = (\d),", table, re.MULTILINE)}


def said(commit: Commit) -> list[list[str]]:
    """The instructions, taken apart as commit.lua does."""
    instructions = Instructions.of(commit, KEYS, "1-run")
    words, parts = arguments_of_words(), []
    rest = [_text(each) for each in instructions.arguments[9:]]
    while rest:
        word, place, count = rest[0], int(rest[1]), words[rest[0]]
        parts.append([word, str(instructions.keys[place - 1]), *rest[2 : 2 + count]])
        rest = rest[2 + count :]
    return parts


def everything() -> Commit:
    info = SessionInfo(SESSION, "agent", "alice", {"alice": "owner"}, 1)
    start = conversation.start(info, "salt", ALICE, None, "1")
    return msgspec.structs.replace(
        start,
        creates=False,
        buries=True,
        by=named("r"),
        due=["timer t"],
        drop_deadlines=["timer t"],
        set_deadlines=[Deadline("lease", "t", in_ms=5), Deadline("timer", "t", 9)],
        erases=[1, 2],
        trim=Trim(0, 3, b"state"),
        jobs=[Job("t", "agent@1")],
        drop_jobs=[Job("u", "agent@1")],
        inbox_add=["i"],
        inbox_drop=["j"],
        fences={"t": Fence("1-run", 4), "u": None},
        unlist_for=["bob"],
        notices=[Notice("interrupt.opened", SESSION, "i", 1)],
        audit=[AuditEntry("session.updated", SESSION, By("person", "alice"))],
    )


def test_every_word_is_known_and_every_known_word_is_said() -> None:
    spoken = {part[0] for part in said(everything())}
    assert spoken == set(arguments_of_words()) - {"unset"}


def test_every_word_has_a_type_and_something_that_does_it() -> None:
    types = set(re.findall(r"(\w+) = '(?:hash|zset|set|stream|string)'", LUA))
    assert types == set(arguments_of_words())
    assert set(re.findall(r"word == '(\w+)'", LUA)) >= set(arguments_of_words()) - {"event"}


def test_guards_of_records_say_the_version_that_was_read() -> None:
    record = turns.TurnRecord(
        turn=f"t_1.{SESSION}",
        session=SESSION,
        agent="agent",
        agent_version="1",
        status="ready",
        requester=turns.Requester("alice"),
        created_at_ms=1,
        message="m",
        version=7,
    )
    parts = said(Commit(SESSION, "x", puts=[record]))
    assert parts[0] == ["version", KEYS.session(SESSION), f"t:{record.id}", "7"]
    assert parts[1][:3] == ["set", KEYS.session(SESSION), f"t:{record.id}"]
    assert stored(record).startswith(b"8 {"), "and the one that it gets"
    assert b'"version"' not in stored(record)


def test_what_is_dropped_is_dropped_before_it_is_set() -> None:
    """A deadline that a commit moves is in both lists."""
    commit = Commit(SESSION, "x", drop_deadlines=["lease t"], set_deadlines=[Deadline("lease", "t", 5)])
    assert [part[0] for part in said(commit)] == ["drop", "at"]


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        (None, ["", "", "", ""]),
        (named("r"), ["ref", "5:alice:r", "d", ""]),
        (Writer("t", Fence("1-run", 4), 9), ["writer", "t", "1-run:4", "9"]),
    ],
)
def test_the_name_of_a_commit(by: object, expected: list[str]) -> None:
    arguments = Instructions.of(appending("x", by=by), KEYS, "1-run").arguments
    assert [_text(each) for each in arguments[4:8]] == expected


def test_workers_are_told_of_jobs_and_of_turns_to_look_at() -> None:
    commit = Commit(SESSION, "x", jobs=[Job("t", "agent@1")], nudges=["u"])
    assert Instructions.of(commit, KEYS, "1-run").arguments[8] == "job agent@1 t\nlook u"


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
