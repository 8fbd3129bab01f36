"""Answers in vain: they change nothing, and still the trail tells of them.

Each leaves one entry, in a commit of nothing else. A person has a few places for each interrupt; a repetition, told by
its ref, finds its own place taken by itself, and once all are taken, the rest goes untold.
"""

from __future__ import annotations

import structlog

from holdfast.commands.backend import Backend
from holdfast.core import entries, ids
from holdfast.core.canonical import input_hash
from holdfast.core.commit import CommandId, Commit
from holdfast.core.errors import HoldfastError, RefReused
from holdfast.core.identity import By
from holdfast.protocol.frames import Answer
from holdfast.store.door import Done

NOBODY = ""  # no principal has this subject, so that no ref of theirs is one of these names

log = structlog.get_logger("holdfast.audit")


async def note(
    backend: Backend, by: By, frame: Answer, via: str, *, refused: str | None = None, device: str | None = None
) -> None:
    """Put an answer that lost, or was refused with this code, into the trail. Of what does not exist: nothing.

    It never fails: whoever answered is told what became of the answer in any case.
    """
    try:
        await _note(backend, by, frame, via, refused, device)
    except HoldfastError as error:
        log.warning("an answer in vain is not in the trail", interrupt=frame.interrupt, why=error.message)


async def _note(backend: Backend, by: By, frame: Answer, via: str, refused: str | None, device: str | None) -> None:
    session = ids.session_of(frame.interrupt)
    view = await backend.door.read(session, interrupts=(frame.interrupt,))
    record = view.interrupts.get(frame.interrupt)
    if view.session is None or record is None:
        return
    entry = entries.in_vain(
        view.session,
        record,
        by,
        view.now_ms,
        via=via,
        ref=frame.ref,
        payload=frame.payload,
        refused=refused,
        device=device,
    )
    for place in range(1, entries.VAIN_MAX + 1):
        name = CommandId(NOBODY, f"vain {place} {frame.interrupt} {by.id}", input_hash(frame.ref))
        try:
            outcome = await backend.door.commit(Commit(session, "vain", by=name, epoch=view.epoch, audit=[entry]))
        except RefReused:
            continue  # another answer of the same person has this place
        if not isinstance(outcome, Done):
            log.warning("an answer in vain is not in the trail", interrupt=frame.interrupt, why=outcome.why)
        return
