"""Ids: typed, prefixed, opaque to others, and saying where to look.

A session's id is chosen by its client or derived from who started it and with which ref. Every other id is
derived from what it names, so that the same command or the same run of an agent makes the same id again, and ends
in its session's id, so that it leads to the session's partition without a look-up:

    i_k3v0q6a2f5c1x8w4.s_9f2d…          an interrupt of the session s_9f2d…
"""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from typing import NewType

from holdfast.core.errors import BadRequest, NotFound

SessionId = NewType("SessionId", str)
TurnId = NewType("TurnId", str)
InterruptId = NewType("InterruptId", str)
MessageId = NewType("MessageId", str)
CallId = NewType("CallId", str)

SESSION_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")  # no dot: it separates the parts of other ids
WIDE_HOME = re.compile(r"~(agent|person|all)-[a-z2-7]{24}")
MESSAGE_ID = re.compile(r"[\x21-\x7e]{1,128}")  # chosen by clients too
REF_MAX = 128  # characters of a command's ref


def session_id(subject: str, ref: str) -> SessionId:
    """The session that `subject` starts with `ref`: repeated, it is the same one."""
    return SessionId("s_" + _digest("session", subject, ref, length=24))


def turn_id(session: str, subject: str, ref: str) -> TurnId:
    """The turn that a command of `subject` with `ref` causes in `session`."""
    return TurnId(f"t_{_digest('turn', session, subject, ref)}.{session}")


def gate_session_id(subject: str, gate: str) -> SessionId:
    """The session of a gate that `subject` asks for by the name `gate`: asked again, it is the same one."""
    return SessionId("g_" + _digest("gate-session", subject, gate, length=24))


def board_id(subject: str, number: int) -> SessionId:
    """The session that is the board of `subject`, the first, second, third … that they have."""
    return SessionId("b_" + _digest("board", subject, str(number), length=24))


def gate_turn_id(session: str, gate: str) -> TurnId:
    """The turn of the gate that is called `gate` in `session`."""
    return TurnId(f"t_{_digest('gate', session, gate)}.{session}")


def interrupt_id(turn: str, operation: str) -> InterruptId:
    """The interrupt that the operation `operation` of `turn` opens."""
    return InterruptId(f"i_{_digest('interrupt', turn, operation)}.{session_of(turn)}")


def message_id(turn: str) -> MessageId:
    """The agent's message that `turn` writes."""
    return MessageId("m_" + _digest("message", turn))


def user_message_id(session: str, subject: str, ref: str) -> MessageId:
    """The message of a person who gave it no id of its own."""
    return MessageId("m_" + _digest("user-message", session, subject, ref))


def call_id(turn: str, operation: str) -> CallId:
    """The tool call that an operation makes: never that of another turn, whatever a provider calls it."""
    return CallId("call_" + _digest("call", turn, operation))


def idempotency_key(turn: str, operation: str) -> str:
    """The key that a tool passes on, the same in every attempt at the same call."""
    return _digest("effect", turn, operation, length=32)


def notice_id(kind: str, about: str, version: str) -> str:
    """The notice that says this about an interrupt at that version, or in that operation of a turn."""
    return "n_" + _digest("notice", kind, about, version, length=24)


def wide_home(scope: str, name: str) -> str:
    """The place of what stands for one agent, one person, or all. No client can give a session such an id."""
    return f"~{scope}-{_digest('home', scope, name, length=24)}"


def grant_id(interrupt: str, home: str) -> str:
    """The grant that the answer to `interrupt` gives, in its place: a session, or a wider one."""
    return f"g_{_digest('grant', interrupt)}.{home}"


def home_of(grant: str) -> str:
    """Where a grant stands.

    Raises:
        NotFound: it is not an id of ours.
    """
    kind, _, home = grant.partition(".")
    if kind[:2] != "g_" or not (SESSION_ID.fullmatch(home) or WIDE_HOME.fullmatch(home)):
        raise NotFound("There is no such grant, or it is not yours to see.", grant=grant[:200])
    return home


def session_of(own_id: str) -> SessionId:
    """The session in which a turn or an interrupt lives.

    Raises:
        NotFound: it is not an id of ours.
    """
    kind, _, session = own_id.partition(".")
    if kind[:2] not in ("t_", "i_") or not SESSION_ID.fullmatch(session):
        raise NotFound(f"{own_id[:200]!r} is not the id of a turn or an interrupt.")
    return SessionId(session)


def check_session_id(value: str) -> SessionId:
    """`value` as a session's id, or BadRequest with the rule it breaks."""
    if not SESSION_ID.fullmatch(value):
        raise BadRequest("A session's id is 1 to 128 letters, digits, '-' or '_'.", id=value[:200])
    return SessionId(value)


def check_gate_id(value: str) -> str:
    """`value` as a gate's id, or BadRequest with the rule it breaks. Without a dot: with one it is an interrupt's."""
    if not SESSION_ID.fullmatch(value):
        raise BadRequest("A gate's id is 1 to 128 letters, digits, '-' or '_'.", id=value[:200])
    return value


def check_ref(value: str) -> str:
    """`value` as a command's id, or BadRequest with the rule it breaks."""
    if not 0 < len(value) <= REF_MAX:
        raise BadRequest(f"A ref is 1 to {REF_MAX} characters.", ref=value[:200])
    return value


def partition_of(session: str, partitions: int) -> int:
    """The partition of a session. Never change this: it says where everything is stored."""
    return zlib.crc32(session.encode()) % partitions


def _digest(*parts: str, length: int = 16) -> str:
    # Length-prefixed, so that ("ab", "c") and ("a", "bc") differ. 16 characters of base32 are 80 bits.
    data = b"".join(b"%d:%s" % (len(part.encode()), part.encode()) for part in parts)
    return base64.b32encode(hashlib.sha256(data).digest()).decode().lower()[:length]
