"""What an app publishes for agents elsewhere: which there is, calling it, and how a call stands.

A call is a turn like any other, in a session of its own, of whoever calls. So rules, approvals, the ledger and the
trail are those of every turn, and who has nothing but the right to send can do no more here than by `start`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from holdfast.commands import reading, starting
from holdfast.commands.attempts import present
from holdfast.commands.backend import Backend
from holdfast.commands.reading import TurnShown
from holdfast.core import deputies, ids, schemas
from holdfast.core.errors import NotFound
from holdfast.core.identity import Principal
from holdfast.core.interrupts import Interrupt
from holdfast.core.manifests import AgentManifest, Published
from holdfast.protocol.frames import Position, Start


class Called(msgspec.Struct, frozen=True):
    """A call as it stands."""

    published: Published
    turn: TurnShown
    position: Position
    #: What it asks people now.
    open: list[Interrupt]
    #: Which of these are for whoever calls to answer.
    answerable: list[str]

    @property
    def ended(self) -> bool:
        return self.turn.end is not None


async def published(backend: Backend) -> list[AgentManifest]:
    """What there is, by name. Where several agents publish one name, the first of them counts."""
    found: dict[str, AgentManifest] = {}
    for manifest in await backend.manifests.all():
        if manifest.published is not None:
            found.setdefault(manifest.published.name, manifest)
    return [found[name] for name in sorted(found)]


async def call(
    backend: Backend, principal: Principal, name: str, arguments: dict[str, Any], ref: str, via: str
) -> Called:
    """Call it. Under the same ref it is the same call.

    Cancelling leaves the outcome unknown: call it again.

    Raises:
        NotFound: nothing of this name is published.
        BadInput: the arguments do not fit; nothing was called.
        RefReused: the ref was that of another call.
        Forbidden: this principal may not send.
    """
    manifest = next((one for one in await published(backend) if _name(one) == name), None)
    if manifest is None or manifest.published is None:
        raise NotFound(f"There is no tool {name[:200]!r}.")
    schemas.check(manifest.published.inputSchema, arguments, "arguments")
    given: dict[str, Any] = {"input": arguments}
    if manifest.published.takes == "message":
        given = {"message": arguments["message"]}
    begun = await starting.start(backend, principal, Start(ref, manifest.agent, title=name, **given), via)
    assert begun.turn is not None, "something was sent"
    return await read(backend, principal, begun.turn)


def turn_of(principal: Principal, ref: str) -> str:
    """The turn that a call under this ref is, begun or not."""
    return ids.turn_id(ids.session_id(principal.subject, ref), principal.subject, ref)


async def read(backend: Backend, principal: Principal, turn: str) -> Called:
    """A call as it stands. Raises NotFound, Gone, Forbidden."""
    session = ids.session_of(turn)
    before = await backend.door.read(session, turns=(turn,))
    present(before, principal, "read")
    waits_for = before.turns[turn].open if turn in before.turns else ()
    view = await backend.door.read(session, turns=(turn,), interrupts=waits_for)
    record, where = view.turns.get(turn), present(view, principal, "read")
    manifest = None if record is None else await backend.manifests.get(record.agent)
    if record is None or manifest is None or manifest.published is None:
        raise NotFound("There is no such call, or it is not yours to see.")
    absent = await backend.directory.absent_for(principal.subject)
    asked = [view.interrupts[own_id] for own_id in record.open if own_id in view.interrupts]
    return Called(
        manifest.published,
        reading.shown_turn(record),
        Position(view.epoch, view.head),
        [one.interrupt for one in asked],
        [one.id for one in asked if deputies.may_still_answer(principal, absent, where, one, view.now_ms)],
    )


async def words(backend: Backend, called: Called) -> str:
    """What an agent has said in a call."""
    state = await reading.folded(backend, called.turn.session)
    placed = state.messages.get(called.turn.message or "")
    return "" if placed is None else placed.message.text


def _name(manifest: AgentManifest) -> str | None:
    return manifest.published and manifest.published.name
