"""Sending a message into a session: it causes a turn, at once or behind the one that runs or waits."""

from __future__ import annotations

from holdfast.commands.attempts import attempt, body_of, command_id, present
from holdfast.commands.backend import Backend
from holdfast.commands.replies import ok, stored_ok
from holdfast.core import conversation
from holdfast.core.commit import Commit
from holdfast.core.conversation import Sent
from holdfast.core.errors import NotImplementedYet
from holdfast.core.identity import Principal
from holdfast.core.session import SessionRecord
from holdfast.protocol.frames import Ok, Send
from holdfast.store.door import View


async def send(backend: Backend, principal: Principal, frame: Send, via: str) -> Ok:  # noqa: ARG001 - as all commands
    """Append a person's message. Cancelling leaves the outcome unknown: repeat it.

    Raises:
        NotFound, Gone, Forbidden, BadInput, UnknownAgent: nothing was written.
        LimitReached: too many messages wait for their turn.
    """
    if frame.mode not in (None, "queue") or frame.replaces is not None:
        raise NotImplementedYet("Only mode 'queue' is built yet, and `replaces` is not.")
    command = command_id(principal, frame.ref, body_of(frame))
    # The version of its agent that a turn gets is in another record, of another slot: so it is read first.
    view = await backend.door.read(frame.session, command=command)
    if view.again is not None:
        return ok(frame.ref, view.again)
    session = present(view, principal, "send")
    version = (await backend.manifests.get(session.info.agent)).version

    def decide(view: View) -> Commit:
        return _commit(present(view, principal, "send"), principal, frame, version, view.now_ms)

    return ok(frame.ref, await attempt(backend, frame.session, command, decide))


def _commit(session: SessionRecord, principal: Principal, frame: Send, version: str, now_ms: int) -> Commit:
    message = conversation.user_message(frame.message, session=session.id, principal=principal, ref=frame.ref)
    sent = Sent(message, None, principal.subject, frame.ref)
    commit, turn = conversation.send(session, principal, sent, version, now_ms)
    commit.reply = stored_ok(session.id, turn=turn.id, message=message.id)
    return commit
