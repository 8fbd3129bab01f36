"""Firing: a schedule's instant has come, and its turn is started.

The turn and the schedule may be in two partitions, so these are two commits: first the turn's, whose ref says which
schedule and which instant; then the schedule's, which moves on to its next instant. Whoever dies between the two leaves
an instant that is due; the next one repeats the first commit, which is asking, not doing.
"""

from __future__ import annotations

import secrets

import msgspec
from msgspec.structs import replace

from holdfast.commands import calendar
from holdfast.commands.attempts import attempt, command_id, present
from holdfast.commands.backend import Backend
from holdfast.core import conversation, ids, schedules
from holdfast.core.commit import Commit
from holdfast.core.conversation import Sent
from holdfast.core.deadlines import member
from holdfast.core.errors import Gone, HoldfastError
from holdfast.core.schedules import ScheduleRecord, shelf_of
from holdfast.core.session import SessionInfo
from holdfast.store import shelves
from holdfast.store.door import Done, View
from holdfast.store.failpoints import reached

VIA = "schedule"


async def fire(backend: Backend, name: str) -> bool:
    """Fire a schedule whose deadline has come, for the instant that was due; or forget it, when its week is over.

    False: somebody else was first.

    Raises:
        HoldfastError: of the store or of too many at once: it is due as before, and is tried again.
    """
    place = await shelves.place(backend.door, name)
    record = place.record
    if record is None:
        return await _commit(
            backend, Commit(shelf_of(name), "drop", on_shelf=True, drop_deadlines=[member("schedule", name)])
        )
    if record.status != "active" or record.next_ms is None:
        return await _commit(backend, schedules.forget(record), place.epoch)
    if record.next_ms <= place.now_ms:
        failed = await _start_turn(backend, record, record.next_ms)
        reached("fired")
        next_ms = calendar.next_after(record.plan.when, place.now_ms)
        return await _commit(backend, schedules.fired(record, place.now_ms, next_ms, failed), place.epoch)
    return True


async def _start_turn(backend: Backend, record: ScheduleRecord, instant_ms: int) -> dict[str, str] | None:
    """Start the turn of this instant, if it was not. What forbids it for good is noted: {code, message}."""
    try:
        await _send(backend, record, record.ref(instant_ms))
    except HoldfastError as error:
        if error.retry:
            raise
        return {"code": error.code, "message": error.message}
    return None


async def _send(backend: Backend, record: ScheduleRecord, ref: str) -> None:
    plan, principal = record.plan, record.principal
    session = plan.session or ids.session_id(principal.subject, ref)
    version = (await backend.manifests.get(plan.agent)).version
    message = None
    if plan.message is not None:
        raw = {"parts": [{"type": "text", "text": plan.message}], "metadata": {"schedule": record.name}}
        message = conversation.user_message(raw, session=session, principal=principal, ref=ref)
    sent = Sent(message, plan.input, principal.subject, ref)
    salt = secrets.token_hex(16)

    def decide(view: View) -> Commit:
        if view.gone:
            raise Gone
        if view.session is None:
            commit = conversation.start(_info(record, session, view.now_ms), salt, principal, sent, version)
            commit.audit = [replace(entry, via=VIA, ref=ref) for entry in commit.audit]
        else:
            commit, _ = conversation.send(present(view, principal, "send"), principal, sent, version, view.now_ms)
        commit.reply = msgspec.Raw(b"{}")
        return commit

    await attempt(backend, session, command_id(principal, ref, {"type": "schedule.fire", "name": record.name}), decide)


def _info(record: ScheduleRecord, session: str, now_ms: int) -> SessionInfo:
    owner = record.principal.subject
    metadata = {"schedule": record.name}
    return SessionInfo(
        session, record.plan.agent, owner, {owner: "owner"}, now_ms, title=record.name, metadata=metadata
    )


async def _commit(backend: Backend, commit: Commit, epoch: str | None = None) -> bool:
    """A guard that fails means that somebody else was first: the next sweep sees what is left."""
    commit.epoch = epoch
    return isinstance(await backend.door.commit(commit), Done)
