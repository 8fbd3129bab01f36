"""Claiming an interrupt: everybody sees who is looking at it, or which device is doing it; anybody may still answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from holdfast.commands import vain
from holdfast.commands.answering import meet, no_such_interrupt
from holdfast.commands.attempts import ATTEMPTS, First, Need, attempt, body_of, command_id
from holdfast.commands.backend import Backend
from holdfast.commands.replies import ok, stored_ok
from holdfast.commands.standing_in import by_right
from holdfast.core import claiming, deputies, ids
from holdfast.core.commit import Commit
from holdfast.core.decisions import Lost
from holdfast.core.entries import Vain
from holdfast.core.errors import BadInput, Conflict, Forbidden, HoldfastError, NotFound
from holdfast.core.identity import By, Principal
from holdfast.core.interrupts import InterruptRecord
from holdfast.core.people import Away
from holdfast.core.session import SessionRecord
from holdfast.core.turns import TurnRecord
from holdfast.protocol.frames import Claim, Ok, Progress
from holdfast.store.door import Done, View


async def claim(
    backend: Backend,
    principal: Principal,
    frame: Claim,
    via: str,
    connection: str | None = None,
) -> Ok:
    """Say that one is looking at it, for 5 minutes or `for_ms`; 0 lets go. Cancelling it: repeat it.

    On a client tool: that one's device does it, for 30 seconds. `connection` is the one over which it was said.
    What came too late or was refused is in the trail, unless another device of the same person was first.

    Raises:
        NotFound, Gone, Forbidden: not there, or not this sender's to answer.
        BadInput: too long.
        Conflict: it is settled (with the decision), or somebody else has claimed it (with the claim).
    """

    def change(record: InterruptRecord, by: By, now_ms: int) -> Commit | object:
        return claiming.claim(record, by, frame.for_ms, now_ms, frame.device, connection)

    try:
        return await _change(backend, principal, frame, change)
    except (NotFound, Forbidden, BadInput, Conflict) as error:
        if not _is_own(principal, error):
            refused = None if "decision" in error.details else error.code
            tried = Vain("claim", frame.interrupt, frame.ref, via, refused=refused, device=frame.device)
            await vain.note(backend, principal.by, tried)
        raise


def _is_own(principal: Principal, error: HoldfastError) -> bool:
    """Whether what stands is the same person's: of two devices that offer to do something, one is late."""
    standing: dict[str, Any] | None = error.details.get("claim") or error.details.get("decision")
    return standing is not None and standing["by"]["id"] == principal.subject


async def progress(
    backend: Backend,
    principal: Principal,
    frame: Progress,
    via: str,  # noqa: ARG001 - as all are
    connection: str | None = None,
) -> Ok:
    """Say how far a client tool is; that claims it, or claims it for longer. Cancelling it: repeat it.

    Raises:
        NotFound, Gone, Forbidden: not there, or not this sender's to answer.
        BadInput: too much is said, or it is about no client tool.
        LimitReached: too soon (with `after_ms`), or too often.
        Conflict: it is settled (with the decision), or another device does it (with the claim).
    """

    def change(record: InterruptRecord, by: By, now_ms: int) -> Commit:
        return claiming.progress(record, by, frame.progress, now_ms, frame.device, connection)

    return await _change(backend, principal, frame, change)


async def connection_gone(backend: Backend, interrupt: str, connection: str) -> None:
    """What was claimed over this connection is free in a moment, unless its device comes back. Cancelling is safe."""
    session = ids.session_of(interrupt)
    for _ in range(ATTEMPTS):
        view = await backend.door.read(session, interrupts=(interrupt,))
        record = view.interrupts.get(interrupt)
        commit = claiming.let_lapse(record, connection, view.now_ms) if record is not None else None
        if commit is None:
            return
        commit.epoch = view.epoch
        if isinstance(await backend.door.commit(commit), Done):
            return


async def _change(
    backend: Backend,
    principal: Principal,
    frame: Claim | Progress,
    change: Callable[[InterruptRecord, By, int], object],
) -> Ok:
    """Change what is shown of an open interrupt, by its sender or in the place of who is away.

    What `change` gives is a commit, unless nothing changes.
    """
    command = command_id(principal, frame.ref, body_of(frame))
    if ids.session_of(frame.interrupt) != frame.session:
        raise no_such_interrupt()

    def act(absent: Sequence[Away]) -> Awaitable[Done | Lost | Ok]:
        def decide(view: View) -> Commit | Need | First | Lost | Ok:
            def may(session: SessionRecord, record: InterruptRecord) -> By:
                return deputies.answering_as(principal, absent, session, record, view.now_ms)

            def settle(session: SessionRecord, _turn: TurnRecord, record: InterruptRecord) -> Commit | Ok:
                commit = change(record, may(session, record), view.now_ms)
                if not isinstance(commit, Commit):
                    return Ok(frame.ref, session.id, view.epoch, view.head)
                commit.reply = stored_ok(session.id)
                return commit

            return meet(view, frame.interrupt, may, settle)

        return attempt(backend, frame.session, command, decide, Need(interrupts=(frame.interrupt,)))

    outcome = await by_right(backend, principal, act)
    if isinstance(outcome, Lost):
        raise Conflict("It is settled already.", decision=msgspec.to_builtins(outcome.decision))
    return ok(frame.ref, outcome) if isinstance(outcome, Done) else outcome
