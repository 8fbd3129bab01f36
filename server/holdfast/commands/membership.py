"""Membership: who else is in a session. Its owner, or an admin, says so."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from holdfast.commands.attempts import attempt, command_id
from holdfast.commands.backend import Backend
from holdfast.commands.owning import owned
from holdfast.commands.replies import ok, stored_ok
from holdfast.core import conversation
from holdfast.core.commit import Commit
from holdfast.core.errors import BadInput, Conflict, LimitReached
from holdfast.core.identity import SUBJECT_MAX, Principal
from holdfast.protocol.frames import Ok
from holdfast.store.door import Done, View

MEMBERS_MAX = 200  # they are part of every snapshot, and each has an index entry to keep

Members = dict[str, str]


async def put_member(backend: Backend, principal: Principal, session: str, subject: str, ref: str) -> Ok:
    """Make somebody a member; who is one already stays what they are.

    Raises:
        NotFound, Gone, Forbidden, LimitReached: nothing was changed.
    """
    if not 0 < len(subject) <= SUBJECT_MAX:
        raise BadInput(f"A member's name is 1 to {SUBJECT_MAX} characters.")

    def change(members: Members) -> Members:
        if subject not in members and len(members) >= MEMBERS_MAX:
            raise LimitReached(f"A session has at most {MEMBERS_MAX} members.", limit=MEMBERS_MAX)
        return {subject: "member"} | members

    body = {"type": "member.put", "session": session, "subject": subject}
    return await _change(backend, principal, session, ref, body, change)


async def remove_member(backend: Backend, principal: Principal, session: str, subject: str, ref: str) -> Ok:
    """Take somebody out; who is not in it stays out.

    Raises:
        NotFound, Gone, Forbidden: nothing was changed.
        Conflict: the owner cannot be taken out.
    """

    def change(members: Members) -> Members:
        if members.get(subject) == "owner":
            raise Conflict("A session's owner cannot be removed; delete the session.", owner=subject)
        return {name: role for name, role in members.items() if name != subject}

    body = {"type": "member.remove", "session": session, "subject": subject}
    return await _change(backend, principal, session, ref, body, change)


async def _change(
    backend: Backend,
    principal: Principal,
    session: str,
    ref: str,
    body: object,
    change: Callable[[Members], Members],
) -> Ok:
    def decide(view: View) -> Commit | Ok:
        record = owned(view, principal)
        members = change(record.members)
        if members == record.members:
            return Ok(ref, session, view.epoch, view.head)
        commit = conversation.update(record, replace(record.info, members=members), principal.by)
        commit.reply = stored_ok(session)
        return commit

    outcome = await attempt(backend, session, command_id(principal, ref, body), decide)
    return ok(ref, outcome) if isinstance(outcome, Done) else outcome
