"""Starting a session, with its first turn if something is sent."""

from __future__ import annotations

import secrets
from typing import Any

import msgspec
from msgspec.structs import replace

from holdfast.commands.attempts import attempt, body_of, command_id
from holdfast.commands.backend import Backend
from holdfast.commands.replies import ok, stored_ok
from holdfast.core import conversation, ids
from holdfast.core.commit import Commit
from holdfast.core.conversation import Sent
from holdfast.core.errors import AlreadyExists, BadInput, Gone
from holdfast.core.identity import Principal, check
from holdfast.core.manifests import AgentManifest
from holdfast.core.session import SessionInfo
from holdfast.protocol.frames import Ok, Start
from holdfast.store.door import View

TITLE_MAX = 200  # characters
METADATA_MAX_BYTES = 16 * 1024  # it is part of every snapshot and of the session's record
INPUT_MAX_BYTES = 128 * 1024  # leaves room in an event and a frame for what goes with it


async def start(backend: Backend, principal: Principal, frame: Start, via: str) -> Ok:
    """Create a session. Repeated with the same ref, it is the same session and the same reply.

    Cancelling leaves the outcome unknown: repeat it.

    Raises:
        UnknownAgent, BadInput, BadRequest, Forbidden: nothing was created.
        AlreadyExists: there is a session of this id, and not by this command.
    """
    ref = ids.check_ref(frame.ref)
    session = ids.check_session_id(frame.id) if frame.id is not None else ids.session_id(principal.subject, ref)
    check(principal, "send", session, {principal.subject: "owner"})
    _check_sizes(frame)
    sent = _sent(frame, session, principal, ref)
    manifest = await _manifest(backend, frame.agent, sent)
    salt = secrets.token_hex(16)

    def decide(view: View) -> Commit:
        if view.gone:
            raise Gone
        if view.session is not None:
            raise AlreadyExists("There is a session of this id already.", id=session)
        info = _info(frame, session, principal, view.now_ms)
        commit = _commit(info, salt, principal, sent, manifest, ref)
        commit.audit = [replace(entry, via=via, ref=ref) for entry in commit.audit]
        return commit

    done = await attempt(backend, session, command_id(principal, ref, body_of(frame)), decide)
    return ok(ref, done)


def _commit(
    info: SessionInfo, salt: str, principal: Principal, sent: Sent | None, manifest: AgentManifest, ref: str
) -> Commit:
    commit = conversation.start(info, salt, principal, sent, manifest.version)
    commit.reply = stored_ok(
        info.id,
        turn=ids.turn_id(info.id, principal.subject, ref) if sent else None,
        message=sent.message.id if sent and sent.message else None,
    )
    return commit


async def _manifest(backend: Backend, agent: str, sent: Sent | None) -> AgentManifest:
    """What answers in the session. Without an agent nothing does: it is for a state and gates."""
    if agent:
        return await backend.manifests.get(agent)
    if sent is not None:
        raise BadInput("agent: without one there is nobody to answer a message or an input.", path="agent")
    return AgentManifest("", "")


def _info(frame: Start, session: str, principal: Principal, now_ms: int) -> SessionInfo:
    return SessionInfo(
        id=session,
        agent=frame.agent,
        owner=principal.subject,
        members={principal.subject: "owner"},
        createdAt=now_ms,
        title=frame.title,
        metadata=frame.metadata,
    )


def _sent(frame: Start, session: str, principal: Principal, ref: str) -> Sent | None:
    """What the first turn is caused by: a message, an input (null is one too), both, or None: no turn yet."""
    if frame.message is None and frame.input is msgspec.UNSET:
        return None
    message = None
    if frame.message is not None:
        message = conversation.user_message(frame.message, session=session, principal=principal, ref=ref)
    given: Any = None if frame.input is msgspec.UNSET else frame.input
    return Sent(message, given, principal.subject, ref)


def _check_sizes(frame: Start) -> None:
    if frame.title is not None and len(frame.title) > TITLE_MAX:
        raise BadInput(f"title: at most {TITLE_MAX} characters.", limit=TITLE_MAX)
    _check_size("metadata", frame.metadata, METADATA_MAX_BYTES)
    _check_size("input", frame.input, INPUT_MAX_BYTES)


def _check_size(name: str, value: Any, limit: int) -> None:
    if value is not msgspec.UNSET and len(msgspec.json.encode(value)) > limit:
        raise BadInput(f"{name}: at most {limit} bytes of JSON.", limit=limit)
