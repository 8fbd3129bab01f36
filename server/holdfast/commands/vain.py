"""What is tried in vain: it changes nothing, and still the trail tells of it.

Each leaves one entry, in a commit of nothing else. A person has a few places for each interrupt (or turn) and for each
kind of thing that can be tried; a repetition, told by its ref, finds its own place taken by itself, and once all are
taken, the rest goes untold.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol, TypeVar

import structlog
from msgspec.structs import replace

from holdfast.commands.backend import Backend
from holdfast.core import entries, ids
from holdfast.core.audit import AuditEntry
from holdfast.core.canonical import input_hash
from holdfast.core.commit import CommandId, Commit
from holdfast.core.entries import Vain
from holdfast.core.errors import BadInput, Conflict, Forbidden, HoldfastError, NotFound, RefReused
from holdfast.core.identity import By
from holdfast.store.door import Done, View

NOBODY = ""  # no principal has this subject, so that no ref of theirs is one of these names

log = structlog.get_logger("holdfast.audit")


class Told(Protocol):
    """How a command that can lose has ended."""

    @property
    def outcome(self) -> str: ...


T = TypeVar("T", bound=Told)


async def telling(backend: Backend, by: By, tried: Vain, act: Awaitable[T]) -> T:
    """What `act` gives, or raises; if it lost or was refused, the trail tells of it."""
    try:
        told = await act
    except (NotFound, Forbidden, BadInput, Conflict) as error:
        await note(backend, by, replace(tried, refused=error.code))
        raise
    if told.outcome == "lost":
        await note(backend, by, tried)
    return told


async def note(backend: Backend, by: By, tried: Vain) -> None:
    """Put what lost, or was refused, into the trail. Of what does not exist: nothing.

    It never fails: whoever tried is told what became of it in any case.
    """
    try:
        await _note(backend, by, tried)
    except HoldfastError as error:
        log.warning("what was tried in vain is not in the trail", about=tried.about, why=error.message)


async def _note(backend: Backend, by: By, tried: Vain) -> None:
    session = ids.session_of(tried.about)
    about = (tried.about,)
    is_turn = tried.what == "continue"
    view = await backend.door.read(session, turns=about if is_turn else (), interrupts=() if is_turn else about)
    entry = _entry(view, by, tried)
    if entry is None:
        return
    for place in range(1, entries.VAIN_MAX + 1):
        name = CommandId(NOBODY, f"vain {place} {_kind(tried)}{tried.about} {by.id}", input_hash(tried.ref))
        try:
            outcome = await backend.door.commit(Commit(session, "vain", by=name, epoch=view.epoch, audit=[entry]))
        except RefReused:
            continue  # another try of the same person has this place
        if not isinstance(outcome, Done):
            log.warning("what was tried in vain is not in the trail", about=tried.about, why=outcome.why)
        return


def _entry(view: View, by: By, tried: Vain) -> AuditEntry | None:
    """What is told of it; None: there is no such thing."""
    if view.session is None:
        return None
    if tried.what == "continue":
        turn = view.turns.get(tried.about)
        return turn and entries.not_continued(turn, by, tried)
    record = view.interrupts.get(tried.about)
    return record and entries.in_vain(view.session, record, by, view.now_ms, tried)


def _kind(tried: Vain) -> str:
    """Answers have the places that they had when nothing else was told."""
    return "" if tried.what == "answer" else f"{tried.what} "
