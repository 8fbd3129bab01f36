"""A session as the wires of others need it: read whole, and things found in it."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from holdfast.commands.attempts import present
from holdfast.commands.backend import Backend
from holdfast.commands.reading import folded
from holdfast.core.errors import NotFound
from holdfast.core.folding import State, TurnState
from holdfast.core.identity import Principal
from holdfast.core.ids import check_session_id


async def known(backend: Backend, principal: Principal, session: str) -> State | None:
    """The session as it is; None: there is none, or not for this principal. Raises BadRequest, Forbidden, Gone."""
    check_session_id(session)
    try:
        present(await backend.door.read(session), principal, "read")
    except NotFound:
        return None
    return await folded(backend, session)


def current(state: State) -> TurnState | None:
    """The turn that runs or waits, else the one that was last."""
    turns = sorted(state.turns.values(), key=lambda turn: turn.first)
    going_on = [turn for turn in turns if turn.status in ("running", "waiting", "blocked")]
    return next(iter([*going_on[:1], *turns[::-1]]), None)


def ref_of(wire: str, session: str, *what: Any) -> str:
    """The id of a command that came without one: the same for the same that is asked of the same session."""
    return f"{wire}-" + hashlib.sha256(msgspec.json.encode([session, *what])).hexdigest()[:40]


def is_waiting(turn: TurnState) -> bool:
    """Whether a person, or an operator, must act before it goes on."""
    return turn.status == "blocked" or (turn.status == "waiting" and bool(turn.open))
