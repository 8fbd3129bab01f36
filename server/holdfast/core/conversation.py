"""Conversations: starting a session, sending into it, changing who is in it."""

from __future__ import annotations

from typing import Any, cast

import msgspec
from msgspec.structs import replace

from holdfast.core import ids
from holdfast.core.audit import AuditEntry
from holdfast.core.commit import Commit
from holdfast.core.errors import BadInput, LimitReached
from holdfast.core.events import Event, MessageWritten, SessionCreated, SessionUpdated, TurnQueued
from holdfast.core.identity import By, Principal
from holdfast.core.messages import Message
from holdfast.core.session import QUEUE_MAX, SessionInfo, SessionRecord
from holdfast.core.turns import Requester, TurnRecord

FILE_SCHEMES = ("https:", "http:", "data:")  # others would act when a page opens them
USER_PARTS = ("text", "file")  # what a device may write: agents and servers write the rest (promise 8)


class Sent(msgspec.Struct, frozen=True):
    """What a device sends: checked, with its author beside it."""

    message: Message | None
    input: Any
    subject: str
    ref: str


def user_message(raw: Any, *, session: str, principal: Principal, ref: str) -> Message:
    """A person's message from what a device sent: a text, or a UIMessage with text and file parts.

    Raises:
        BadInput: it is neither, is empty, or holds a part that only an agent may write.
    """
    given = {"parts": [{"type": "text", "text": raw}]} if isinstance(raw, str) else raw
    if not isinstance(given, dict):
        raise BadInput("message: give a text, or {id?, parts: [...]} with at least one part.")
    body = cast("dict[str, Any]", given)
    if not isinstance(body.get("parts"), list) or not body["parts"]:
        raise BadInput("message.parts: a list with at least one part.")
    if body.get("role", "user") != "user":
        raise BadInput("message.role: a device can only write messages of the role 'user'.")
    parts = [_user_part(part, index) for index, part in enumerate(body["parts"])]
    if all(part["type"] == "text" and not part["text"].strip() for part in parts):
        raise BadInput("message: it is empty.")
    given_id = body.get("id")
    if given_id is not None and not (isinstance(given_id, str) and ids.MESSAGE_ID.fullmatch(given_id)):
        raise BadInput("message.id: 1 to 128 printable characters without blanks.")
    metadata: object = body.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise BadInput("message.metadata: must be an object.")
    # The id is ours: one of the device's choosing could be that of another's message, or of the agent's (promise 8).
    own_id = ids.user_message_id(session, principal.subject, ref)
    named = {"clientId": given_id} if given_id else {}
    by = {"by": msgspec.to_builtins(principal.by), "ref": ref}
    return Message(own_id, "user", parts, {**cast("dict[str, Any]", metadata), **named, **by})


def again(said: Message, session: str, principal: Principal, ref: str) -> Message:
    """The same words of the same person, to be answered anew on another branch. `copies` says which they are."""
    own_id = ids.user_message_id(session, principal.subject, ref)
    return Message(own_id, said.role, said.parts, {**(said.metadata or {}), "copies": said.id, "ref": ref})


def start(
    info: SessionInfo,
    salt: str,
    principal: Principal,
    sent: Sent | None,
    agent_version: str,
) -> Commit:
    """Create a session, with its first turn if something was sent."""
    session = SessionRecord(info=info, salt=salt)
    commit = Commit(
        info.id,
        "start",
        creates=True,
        events=[SessionCreated(session=info)],
        list_for=list(info.members),
        audit=[AuditEntry("session.created", info.id, principal.by)],
    )
    if sent is not None:
        session, _ = _begin(commit, session, principal, sent, agent_version, info.createdAt)
    commit.puts.append(session)
    return commit


def send(
    session: SessionRecord, principal: Principal, sent: Sent, agent_version: str, now_ms: int
) -> tuple[Commit, TurnRecord]:
    """Append a person's message and the turn that it causes: at once, or behind the one that runs or waits.

    Raises:
        LimitReached: too many turns are queued already.
    """
    if len(session.queue) >= QUEUE_MAX:
        raise LimitReached(
            f"{QUEUE_MAX} messages are waiting for their turn already.",
            limit=QUEUE_MAX,
            behind=session.active,
        )
    commit = Commit(session.id, "send", list_for=list(session.members))
    session, turn = _begin(commit, session, principal, sent, agent_version, now_ms)
    commit.puts.append(session)
    return commit, turn


def update(session: SessionRecord, info: SessionInfo, who: By) -> Commit:
    """Change what is shown of a session: its title, metadata or members."""
    gone = [subject for subject in session.members if subject not in info.members]
    return Commit(
        session.id,
        "update",
        puts=[replace(session, info=info)],
        events=[SessionUpdated(session=info)],
        list_for=list(info.members),
        unlist_for=gone,
        audit=[AuditEntry("session.updated", session.id, who)],
    )


def _begin(
    commit: Commit,
    session: SessionRecord,
    principal: Principal,
    sent: Sent,
    agent_version: str,
    now_ms: int,
) -> tuple[SessionRecord, TurnRecord]:
    turn = caused(session, principal, sent, agent_version, now_ms)
    commit.events.extend(told(turn, sent, session.active, ahead_of_next(session)))
    if session.active or session.info.takeover:
        commit.puts.append(turn)
        return replace(session, queue=(*session.queue, turn.id)), turn
    turn = replace(turn, status="ready")
    commit.puts.append(turn)
    commit.jobs.append(turn.job)
    return replace(session, active=turn.id), turn


def caused(session: SessionRecord, principal: Principal, sent: Sent, agent_version: str, now_ms: int) -> TurnRecord:
    """The turn that is caused by what was sent; it has still to find its place."""
    own_id = ids.turn_id(session.id, sent.subject, sent.ref)
    return TurnRecord(
        turn=own_id,
        session=session.id,
        agent=session.info.agent,
        agent_version=agent_version,
        status="queued",
        requester=requester(principal),
        created_at_ms=now_ms,
        cause=sent.message.id if sent.message else None,
        input=sent.input,
        message=ids.message_id(own_id),
        branch=session.info.branch,
    )


def ahead_of_next(session: SessionRecord) -> int:
    """How many turns must end before one that queues now starts."""
    return len(session.queue) + (1 if session.active else 0)


def requester(principal: Principal) -> Requester:
    """Who sends, as a turn remembers it."""
    return Requester(principal.subject, principal.roles, principal.name)


def told(turn: TurnRecord, sent: Sent, behind: str | None, ahead: int) -> list[Event]:
    """What everybody sees of a message and the turn that it causes.

    Told even if nothing is before it: a turn that no worker takes must be seen when it is blocked or cancelled.
    """
    said = [] if sent.message is None else [MessageWritten(message=sent.message, turn=turn.id)]
    queued = TurnQueued(turn=turn.id, agent=turn.agent, behind=behind, ahead=ahead, branch=turn.branch or None)
    return [*said, queued]


def _user_part(part: Any, index: int) -> dict[str, Any]:
    where = f"message.parts[{index}]"
    if not isinstance(part, dict) or cast("dict[str, Any]", part).get("type") not in USER_PARTS:
        raise BadInput(f"{where}: a device can write parts of the types {', '.join(USER_PARTS)}.")
    part = cast("dict[str, Any]", part)
    if part["type"] == "text" and not isinstance(part.get("text"), str):
        raise BadInput(f"{where}.text: must be a string.")
    if part["type"] == "file" and not str(part.get("url")).startswith(FILE_SCHEMES):
        raise BadInput(f"{where}.url: must begin with one of {', '.join(FILE_SCHEMES)}.")
    return part
