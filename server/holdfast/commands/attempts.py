"""The one loop behind every command: read, decide, commit; and once more if somebody else was faster.

    decide(view) →  Need      these records too; read again, as of one instant
                    First     something is overdue: settle it, then decide anew
                    Commit    apply it, if what was read still stands
                    anything else is the answer, and nothing is changed

A decision is made on records, so it is a plain function of the view; it may be called several times.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from holdfast.commands.backend import Backend
from holdfast.core import decisions, ids
from holdfast.core.asking import OPEN_MAX
from holdfast.core.canonical import input_hash
from holdfast.core.commit import CommandId, Commit
from holdfast.core.errors import AlreadyExists, Busy, Conflict, Gone, NotFound
from holdfast.core.identity import Principal, Right, check
from holdfast.core.interrupts import InterruptRecord
from holdfast.core.session import SessionRecord
from holdfast.core.turns import TurnRecord, open_interrupts
from holdfast.store.door import Done, NotDone, View

T = TypeVar("T")

ATTEMPTS = 8  # each lost round means that somebody else got on; after 8 the caller may as well ask again
PAUSE_S = 0.002  # times the attempt, with full jitter: a commit takes about a tenth of this
READS = 5  # of one attempt: session, its turns, their interrupts, and what changed meanwhile


class Need(msgspec.Struct, frozen=True):
    """Records without which nothing can be decided."""

    turns: tuple[str, ...] = ()
    interrupts: tuple[str, ...] = ()
    #: The shared document of the session.
    state: bool = False
    #: What was said about the session.
    feedback: bool = False
    #: What stands there: grants, counters, what was approved.
    standing: bool = False


NOTHING = Need()


class First(msgspec.Struct, frozen=True):
    """What must be settled before the command, because its time has come (rule h)."""

    commit: Commit
    #: The decision if the store finds that its time has not come: clocks differ after a fail-over.
    otherwise: Callable[[], Any]


class Settled(msgspec.Struct, frozen=True):
    """What was overdue is settled, by this command. No round was lost: a turn may have a hundred such."""


async def attempt(
    backend: Backend,
    session: str,
    command: CommandId,
    decide: Callable[[View], Commit | Need | First | T],
    need: Need = NOTHING,
) -> Done | T:
    """Carry a command out at most once, however often it is repeated.

    `need` is what the first view must hold: what is missing in it is not there. Returns what `decide`
    answered, or Done, also when the command was applied before (`Done.again`).
    Cancelling leaves the outcome unknown: repeat the command.

    Raises:
        RefReused, NotFound, Gone, AlreadyExists: nothing was changed.
        Busy: the records kept changing. Nothing was changed; the same command may be repeated.
    """
    lost = settled = 0
    while lost < ATTEMPTS and settled <= OPEN_MAX:
        verdict = await _decide(backend, session, command, decide, need)
        if isinstance(verdict, First):
            verdict = await _settle(backend, verdict)
        if isinstance(verdict, Settled):
            settled += 1
            continue
        if not isinstance(verdict, Commit | NotDone):
            return verdict
        outcome = await _apply(backend, verdict, command)
        if isinstance(outcome, Done):
            return outcome
        lost += 1
        await asyncio.sleep(random.random() * PAUSE_S * lost)
    raise Busy


def command_id(principal: Principal, ref: str, body: object) -> CommandId:
    """The name of a command: its principal, its ref, and the digest of all that it says.

    Raises:
        BadRequest: the ref breaks its rule.
        BadInput: the body holds what has no canonical form, with the path.
    """
    return CommandId(principal.subject, ids.check_ref(ref), input_hash(body))


def item_ref(ref: str, item: str | int) -> str:
    """The ref of one item of a command that has several. Shortened by a digest where it would break their rule."""
    own = f"{ref}#{item}"
    return own if len(own) <= ids.REF_MAX else input_hash(own)


def body_of(frame: msgspec.Struct) -> dict[str, object]:
    """A frame as the digest sees it: all of it except for the ref, however it came."""
    body: dict[str, object] = msgspec.to_builtins(frame)
    body.pop("ref", None)
    return body


def present(view: View, principal: Principal, right: Right) -> SessionRecord:
    """The session, if this principal has this right in it.

    Raises:
        Gone, NotFound, Forbidden
    """
    session = existing(view)
    try:
        check(principal, right, session.id, session.members)
    except NotFound:
        raise no_such_session() from None
    return session


def existing(view: View) -> SessionRecord:
    """The session, whoever asks. Raises NotFound, Gone."""
    if view.gone:
        raise Gone
    if view.session is None:
        raise no_such_session()
    return view.session


def no_such_session() -> NotFound:
    """Of one that is not there and of one that is out of reach: the two must not be told apart."""
    return NotFound("There is no such session, or it is not yours to see.")


def lacking(view: View, *, turns: tuple[str, ...] = (), interrupts: tuple[str, ...] = ()) -> Need | None:
    """What to read again with if some of these records were not read yet."""
    if all(one in view.turns for one in turns) and all(one in view.interrupts for one in interrupts):
        return None
    return Need(turns, interrupts)


def records_of(view: View, turn: TurnRecord) -> list[InterruptRecord]:
    """The records of a turn's open interrupts, which `lacking` has seen to be there."""
    return [view.interrupts[name] for name in open_interrupts(turn)]


def overdue(view: View, session: SessionRecord, turn: TurnRecord, otherwise: Callable[[], Any]) -> First | None:
    """An expiry that the sweeper has not come to yet happened before a command that would close it (rule h)."""
    for record in records_of(view, turn):
        if record.overdue(view.now_ms):
            return First(decisions.expire(session, turn, record, view.now_ms), otherwise)
    return None


async def _decide(
    backend: Backend,
    session: str,
    command: CommandId,
    decide: Callable[[View], Commit | Need | First | T],
    need: Need,
) -> Done | Commit | First | NotDone | T:
    """Read what the decision needs, as of one instant, and decide."""
    for _ in range(READS):
        view = await backend.door.read(
            session,
            turns=need.turns,
            interrupts=need.interrupts,
            standing=need.standing,
            command=command,
            state=need.state,
            feedback=need.feedback,
        )
        if view.again is not None:
            return view.again
        verdict = decide(view)
        if isinstance(verdict, Commit):
            verdict.epoch = view.epoch
        elif isinstance(verdict, First):
            verdict.commit.epoch = view.epoch
        if not isinstance(verdict, Need):
            return verdict
        if verdict == need:
            raise Conflict("A record that should be there is missing.", turns=need.turns, interrupts=need.interrupts)
        need = verdict
    return NotDone("stale")


async def _settle(backend: Backend, first: First) -> Any:
    outcome = await backend.door.commit(first.commit)
    if isinstance(outcome, Done):
        return Settled()
    return first.otherwise() if outcome.why == "early" else outcome


async def _apply(backend: Backend, verdict: Commit | NotDone, command: CommandId) -> Done | NotDone:
    if isinstance(verdict, NotDone):
        return verdict
    verdict.by = command if verdict.remembered else None
    outcome = await backend.door.commit(verdict)
    if isinstance(outcome, NotDone):
        _refuse(outcome)
    return outcome


def _refuse(outcome: NotDone) -> None:
    """Raise where deciding again would not help."""
    match outcome.why:
        case "gone":
            raise Gone
        case "missing":
            raise NotFound
        case "exists":
            raise AlreadyExists("There is a session of this id already.")
        case _:
            return
