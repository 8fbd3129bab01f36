"""Retention: a long log is trimmed, and the state folded up to there stands for what is gone (rule o).

    1 ……………………… floor │ floor + 1 ……………………… head
    folded(session)        entries of the log

Both change in one commit, so a reader sees the one or the other. Who asks for what is gone is told `gap`.
"""

from __future__ import annotations

import structlog

from holdfast.core.commit import Commit, Trim
from holdfast.core.events import Event, InterruptOpened, UnknownEvent, decode
from holdfast.core.folding import State, dump, fold, load
from holdfast.store.door import Done, Door
from holdfast.store.log import Log

RETAIN_EVENTS = 10_000  # of one session's log; some 5 MB. When there are more, the newer half stays
FOLDED_MAX_BYTES = 32 * 1024 * 1024  # of a state that stands for a log; with a larger one the log is left as it is

_Entries = list[tuple[int, int, Event | UnknownEvent]]


async def trim(door: Door, log: Log, session: str, retain: int = RETAIN_EVENTS) -> bool:
    """Trim the session's log if it has more than `retain` entries; whether it was. Cancelling is safe.

    What is still open stays in the log: interrupts from their opening, turns from their start. Reviews do not: one may
    be open for a week with nobody waiting, and the folded state has it.

    Raises:
        NotFound, Gone, Unavailable: nothing was changed, as far as is known.
    """
    if await log.length(session) <= retain:
        return False
    epoch, was, folded, entries = await _read(log, session)
    floor = _floor(folded, entries, max(1, retain // 2))
    if floor <= was:
        return False
    state = _state(folded, [entry for entry in entries if entry[0] <= floor])
    state.seq = floor
    kept = dump(state)
    if len(kept) > FOLDED_MAX_BYTES:
        structlog.get_logger("holdfast.store").warning("log not trimmed", session=session, size=len(kept))
        return False
    return isinstance(await door.commit(Commit(session, "trim", trim=Trim(was, floor, kept), epoch=epoch)), Done)


async def _read(log: Log, session: str) -> tuple[str, int, bytes | None, _Entries]:
    """The epoch, the floor, the state up to it, and all entries above."""
    while True:
        page = await log.page(session, 0)
        epoch, was, folded, entries = page.epoch, page.floor, await log.folded(session), _Entries()
        while page.entries and (page.epoch, page.floor) == (epoch, was):
            entries += [(entry.seq, entry.at, decode(entry.data)) for entry in page.entries]
            page = await log.page(session, entries[-1][0])
        if (page.epoch, page.floor) == (epoch, was):  # else another has trimmed meanwhile, or the store failed over
            return epoch, was, folded, entries


def _floor(folded: bytes | None, entries: _Entries, keep: int) -> int:
    """Up to where the log may go: `keep` entries stay, and all that can still change."""
    now = _state(folded, entries)
    asked = ((seq, event.interrupt) for seq, _, event in entries if isinstance(event, InterruptOpened))
    opened = {shown.id: seq for seq, shown in asked if not shown.afterwards}
    needed = [turn.first for turn in now.turns.values() if turn.status != "finished"]
    needed += [seq for own_id, seq in opened.items() if "decision" not in now.interrupts[own_id]]
    return min([entries[-keep][0], *needed]) - 1


def _state(folded: bytes | None, entries: _Entries) -> State:
    state = load(folded) if folded else State()
    for seq, at, event in entries:
        fold(state, seq, at, event)
    return state
