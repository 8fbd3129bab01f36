"""A person's board: a session of their own without an agent, on which notices stand that belong to no turn.

Whoever holds a token of theirs may post, as a script or an agent elsewhere does; nobody is asked anything. What is
posted is a message of the role `assistant`: in a session without an agent there is none whose voice that could be.
"""

from __future__ import annotations

import msgspec

from holdfast.core import ids
from holdfast.core.audit import AuditEntry
from holdfast.core.commit import Commit, Notice
from holdfast.core.events import MessageWritten, SessionCreated
from holdfast.core.identity import Principal
from holdfast.core.messages import Message
from holdfast.core.notices import SAID
from holdfast.core.session import SessionInfo, SessionRecord

TITLE = "Notices"
NOTICES_MAX = 1_000  # on one board: all of it is in its snapshot. Then another begins
BOARDS_MAX = 100  # of one person; deleted ones count, for their ids are never used again


def begun(board: str, salt: str, principal: Principal, now_ms: int) -> SessionRecord:
    """A board that is not there yet."""
    owner = principal.subject
    return SessionRecord(info=SessionInfo(board, "", owner, {owner: "owner"}, now_ms, TITLE), salt=salt)


def is_full(board: SessionRecord) -> bool:
    """Whether no more is to stand there. Each notice sets its record once more."""
    return board.version >= NOTICES_MAX


def post(board: SessionRecord, principal: Principal, text: str, to: tuple[str, ...], via: str, ref: str) -> Commit:
    """Say it there, and to the targets of notices."""
    said = Message(
        ids.user_message_id(board.id, principal.subject, ref),
        "assistant",
        [{"type": "text", "text": text}],
        {"by": msgspec.to_builtins(principal.by), "notice": True, "to": list(to), "ref": ref},
    )
    commit = Commit(
        board.id,
        "notify",
        puts=[board],
        events=[MessageWritten(message=said)],
        # In no turn, so it is named by the message, which says in which session it stands.
        notices=[Notice(SAID, board.id, "", 0, operation=said.id, text=text, to=to)],
        list_for=list(board.members),
    )
    if board.version == 0:
        commit.creates = True
        commit.events.insert(0, SessionCreated(session=board.info))
        commit.audit.append(AuditEntry("session.created", board.id, principal.by, via=via, ref=ref))
    return commit
