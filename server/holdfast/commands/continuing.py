"""Continuing a turn that is ready to: of many who say `continue`, one wins, and the others are told who."""

from __future__ import annotations

from typing import Literal

import msgspec

from holdfast.commands import vain
from holdfast.commands.attempts import Need, attempt, body_of, command_id, present
from holdfast.commands.backend import Backend
from holdfast.commands.replies import stored
from holdfast.core import ids, turns
from holdfast.core.commit import Commit
from holdfast.core.entries import Vain
from holdfast.core.errors import Conflict, NotFound
from holdfast.core.identity import Principal
from holdfast.core.turns import Continued, TurnRecord
from holdfast.protocol import frames
from holdfast.store.door import Done, View


class StoredContinued(msgspec.Struct, frozen=True):
    """What is stored of a `continued` that won."""

    outcome: Literal["won"]
    turn: str
    by: Continued


async def carry_on(backend: Backend, principal: Principal, frame: frames.Continue, via: str) -> frames.Continued:
    """Let a turn go on that is ready to: it won, or it lost to who did that before.

    What lost or was refused is in the trail all the same. Cancelling leaves the outcome unknown: repeat it.

    Raises:
        NotFound, Gone, Forbidden: not there, or not this principal's to continue.
        Conflict: it still waits for something else, or for nothing; `details` say for what.
    """
    tried = Vain("continue", frame.turn, frame.ref, via)
    return await vain.telling(backend, principal.by, tried, _carry_on(backend, principal, frame, via))


async def _carry_on(backend: Backend, principal: Principal, frame: frames.Continue, via: str) -> frames.Continued:
    if ids.session_of(frame.turn) != frame.session:
        raise _no_such_turn(frame.turn)

    def decide(view: View) -> Commit | Continued:
        present(view, principal, "answer")
        turn = view.turns.get(frame.turn)
        if turn is None:
            raise _no_such_turn(frame.turn)
        if not turn.held and turn.continued is not None:
            return turn.continued
        _check_ready(turn)
        continued = Continued(principal.by, view.now_ms, via, frame.ref)
        commit = turns.carry_on(turn, continued)
        commit.reply = stored(StoredContinued("won", turn.id, continued))
        return commit

    command = command_id(principal, frame.ref, body_of(frame))
    outcome = await attempt(backend, frame.session, command, decide, Need(turns=(frame.turn,)))
    if isinstance(outcome, Continued):
        return frames.Continued(frame.ref, "lost", frame.turn, outcome.by, outcome.at)
    assert isinstance(outcome, Done)
    reply = msgspec.json.decode(outcome.reply, type=StoredContinued)
    return frames.Continued(frame.ref, reply.outcome, reply.turn, reply.by.by, reply.by.at)


def _check_ready(turn: TurnRecord) -> None:
    if turn.ready_to_continue and turn.status in ("waiting", "running"):
        return
    if turn.held and turn.status != "blocked":
        raise Conflict("The turn still waits for something else.", open=turn.open)
    raise Conflict(f"The turn is {turn.status}, not ready to continue.", status=turn.status)


def _no_such_turn(turn: str) -> NotFound:
    return NotFound("There is no such turn, or it is not yours to see.", turn=turn)
