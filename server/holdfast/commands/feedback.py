"""Giving feedback, and reading it: as it was given, or with what it is about, for evaluation and fine-tuning."""

from __future__ import annotations

from typing import Any

import msgspec

from holdfast.commands import reading
from holdfast.commands.attempts import Need, attempt, body_of, command_id, present
from holdfast.commands.backend import Backend
from holdfast.commands.replies import ok, stored_ok
from holdfast.core import feedback
from holdfast.core.commit import Commit
from holdfast.core.errors import NotFound
from holdfast.core.feedback import Feedback, FeedbackBook, Target
from holdfast.core.folding import State
from holdfast.core.identity import Principal
from holdfast.core.interrupts import Decision, InterruptRecord
from holdfast.core.messages import Message
from holdfast.core.operations import Operation
from holdfast.protocol import frames
from holdfast.protocol.frames import Ok
from holdfast.store.door import View

CONTEXT_MESSAGES = 10  # before the one that it is about


class Context(msgspec.Struct, frozen=True, omit_defaults=True):
    """What feedback is about. What was trimmed from the session's log is not in it."""

    #: Oldest first; the last one is the message that it is about, or in which the call stands.
    messages: tuple[dict[str, Any], ...] = ()
    tool: str | None = None
    input: Any = None
    #: The arguments that the agent proposed, where a human put others in their place.
    proposed: Any = None
    output: Any = None
    outcome: str | None = None
    decision: Decision | None = None


class FeedbackShown(Feedback, frozen=True, omit_defaults=True, kw_only=True):
    """One feedback, in an export with its context."""

    session: str
    context: Context | None = None


class FeedbackPage(msgspec.Struct, frozen=True):
    """All feedback of a session, in the order in which it was given."""

    feedback: list[FeedbackShown]


async def give(backend: Backend, principal: Principal, frame: frames.Feedback, via: str) -> Ok:  # noqa: ARG001 - as all commands
    """Say something about a message, an operation or an interrupt; again, in place of what was said before.

    Cancelling leaves the outcome unknown: repeat it.

    Raises:
        NotFound, Gone, Forbidden: the session or the target is not there, or not this principal's to speak of.
        BadInput, LimitReached: it cannot be kept.
    """
    target = frame.target
    need = Need(
        turns=(target.turn,) if target.turn else (),
        interrupts=(target.interrupt,) if target.interrupt else (),
        feedback=True,
    )

    def decide(view: View) -> Commit:
        session = present(view, principal, "send")
        said = Feedback(target, principal.by, view.now_ms, frame.score, frame.labels, frame.comment, frame.correction)
        feedback.check(session.id, said)
        if len(view.turns) + len(view.interrupts) < len(need.turns) + len(need.interrupts):
            raise NotFound("There is no such target in this session.")
        commit = feedback.giving(view.feedback or FeedbackBook(session=session.id), said)
        commit.reply = stored_ok(session.id)
        return commit

    command = command_id(principal, frame.ref, body_of(frame))
    return ok(frame.ref, await attempt(backend, frame.session, command, decide, need))


async def read(backend: Backend, principal: Principal, session: str, *, context: bool = False) -> FeedbackPage:
    """What was said about a session; with `context`, also what it is about. Raises NotFound, Gone, Forbidden."""
    view = await backend.door.read(session, feedback=True)
    present(view, principal, "read")
    items = view.feedback.items if view.feedback else ()
    state = await reading.folded(backend, session) if context and items else None
    return FeedbackPage([await _shown(backend, session, item, state) for item in items])


async def _shown(backend: Backend, session: str, item: Feedback, state: State | None) -> FeedbackShown:
    fields: dict[str, Any] = {name: getattr(item, name) for name in item.__struct_fields__}
    about = await _context(backend, session, item.target, state) if state is not None else None
    return FeedbackShown(**fields, session=session, context=about)


async def _context(backend: Backend, session: str, target: Target, state: State) -> Context:
    if target.message is not None:
        return Context(_messages(state, target.message))
    if target.interrupt is not None:
        view = await backend.door.read(session, interrupts=(target.interrupt,))
        record = view.interrupts[target.interrupt]
        operations = await backend.door.operations(record.interrupt.turn)
        return _of_call(state, record.interrupt.turn, operations.get(record.operation), record)
    turn, _, key = (target.operation or "").partition("/")
    operation = (await backend.door.operations(turn)).get(key)
    name = (operation.passed or operation.interrupt) if operation else None
    view = await backend.door.read(session, interrupts=(name,) if name else ())
    return _of_call(state, turn, operation, view.interrupts.get(name or ""))


def _of_call(state: State, turn: str, operation: Operation | None, record: InterruptRecord | None) -> Context:
    said = state.turns.get(turn)
    shown = record.interrupt if record else None
    decision = (record.decision if record else None) or (operation.decision if operation else None)
    return Context(
        _messages(state, (said.message if said else None) or ""),
        shown.toolName if shown else None,
        shown.input if shown and (operation is None or operation.input is None) else operation and operation.input,
        operation.proposed if operation else None,
        operation.value if operation else None,
        operation.outcome if operation else None,
        decision,
    )


def _messages(state: State, own_id: str) -> tuple[dict[str, Any], ...]:
    """The message, and those before it."""
    ordered: list[Message] = [placed.message for placed in state.ordered]
    place = next((n for n, one in enumerate(ordered) if one.id == own_id), None)
    if place is None:
        return ()
    return tuple(msgspec.to_builtins(one) for one in ordered[max(0, place - CONTEXT_MESSAGES) : place + 1])
