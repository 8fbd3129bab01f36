"""A session's state: reading it, and changing it by a patch that applies whole or not at all."""

from __future__ import annotations

from typing import Any

import msgspec

from holdfast.commands.attempts import Need, attempt, body_of, command_id, present
from holdfast.commands.backend import Backend
from holdfast.commands.replies import ok, stored_ok
from holdfast.core import documents
from holdfast.core.commit import Commit
from holdfast.core.documents import Document
from holdfast.core.identity import Principal
from holdfast.protocol.frames import Ok, Patch
from holdfast.store.door import View


class StateShown(msgspec.Struct, frozen=True):
    """A session's state in this version; 0: nobody has changed it yet."""

    state: dict[str, Any]
    version: int


async def patch(backend: Backend, principal: Principal, frame: Patch, via: str) -> Ok:  # noqa: ARG001 - as all commands
    """Change a session's state. Cancelling leaves the outcome unknown: repeat it.

    Raises:
        NotFound, Gone, Forbidden: not there, or not this principal's to change.
        Conflict: it has another version by now, or a `test` failed.
        BadInput, LimitReached: the patch cannot be applied.
    """

    def decide(view: View) -> Commit:
        session = present(view, principal, "send")
        commit = documents.patching(standing(view, session.id), frame.patch, frame.version, principal.by)
        commit.reply = stored_ok(session.id, version=commit.puts[0].version + 1)
        return commit

    command = command_id(principal, frame.ref, body_of(frame))
    return ok(frame.ref, await attempt(backend, frame.session, command, decide, Need(state=True)))


async def read(backend: Backend, principal: Principal, session: str) -> StateShown:
    """A session's state. Raises NotFound, Gone, Forbidden."""
    view = await backend.door.read(session, state=True)
    present(view, principal, "read")
    document = standing(view, session)
    return StateShown(document.value, document.version)


def standing(view: View, session: str) -> Document:
    """What stands, or the empty beginning."""
    return view.state or Document(session=session)
