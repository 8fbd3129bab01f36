"""A message that arrives while a turn runs or waits, and does not queue: it steers, replaces, or is refused.

the turn is   steer                              replace                                reject
─────────────────────────────────────────────────────────────────────────────────────────────────
running       its agent gets it when it looks    asked to stop; the new one is next     refused
waiting       … once it goes on                  ends in this commit; the new one is    refused
ready         … once it runs                     ready                                  refused
blocked       … once it runs                                                            refused
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec.structs import replace as changed

from holdfast.core import branches, conversation, decisions, ending, ids, turns
from holdfast.core.commit import Commit, Writer
from holdfast.core.conversation import Sent
from holdfast.core.errors import LimitReached, SessionBusy
from holdfast.core.events import MessageWritten, SessionUpdated, TurnSteered
from holdfast.core.identity import By, Principal
from holdfast.core.interrupts import InterruptRecord
from holdfast.core.messages import Message
from holdfast.core.operations import Operation
from holdfast.core.session import BRANCHES_MAX, STEERING_MAX, Branch, SessionRecord
from holdfast.core.turns import Steering, TurnRecord


def steer(
    session: SessionRecord, turn: TurnRecord, principal: Principal, sent: Sent, agent_version: str, now_ms: int
) -> Commit:
    """Everybody sees the message at once; the turn's agent gets it when it next looks. What is pending stays pending.

    Raises:
        LimitReached: there are too many that it has not looked at.
    """
    assert sent.message is not None, "there is something to say"
    if len(turn.steering) >= STEERING_MAX:
        raise LimitReached(
            f"{STEERING_MAX} messages to this turn were not looked at yet.", limit=STEERING_MAX, behind=turn.id
        )
    said = Steering(
        sent.message.id,
        ids.turn_id(session.id, sent.subject, sent.ref),
        conversation.requester(principal),
        agent_version,
        now_ms,
    )
    return Commit(
        session.id,
        "steer",
        puts=[changed(turn, steering=(*turn.steering, said))],
        events=[MessageWritten(message=_steering(sent.message, turn), turn=turn.id)],
        nudges=[turn.id],
        list_for=list(session.members),
    )


def taken_in(turn: TurnRecord, writer: Writer, said: Collection[str], operation: Operation) -> Commit:
    """The agent has looked: these messages are its own now, and `operation` has them for every replay."""
    commit = Commit(turn.session, "steered", by=writer, operations=[operation])
    commit.puts.append(changed(turn, steering=tuple(one for one in turn.steering if one.message not in said)))
    commit.events.append(TurnSteered(turn=turn.id, messages=tuple(said)))
    return commit


def earlier(turn: TurnRecord, session: SessionRecord) -> tuple[str, ...]:
    """The turn that was to replace this one and still waits for its end: what replaces both makes it void too."""
    return tuple(own_id for own_id in session.queue if own_id == turn.replaced_by)


def replace(
    session: SessionRecord,
    turn: TurnRecord,
    void: Sequence[TurnRecord],
    asked: list[InterruptRecord],
    principal: Principal,
    sent: Sent,
    agent_version: str,
    now_ms: int,
    via: str,
) -> tuple[Commit, TurnRecord]:
    """Cancel the turn and start what the message causes; other turns that wait stay behind it, in their order.

    `asked` are the turn's open interrupts: their cards close in this very commit, also those of a turn that runs.
    `void` are the records that `earlier` names.
    """
    new = conversation.caused(session, principal, sent, agent_version, now_ms)
    commit = Commit(session.id, "replace")
    return _instead(commit, session, turn, void, asked, new, principal, sent, now_ms, via), new


def branch_off(
    session: SessionRecord,
    active: TurnRecord | None,
    queued: Sequence[TurnRecord],
    asked: list[InterruptRecord],
    replaced: TurnRecord,
    principal: Principal,
    sent: Sent,
    agent_version: str,
    now_ms: int,
    via: str,
) -> tuple[Commit, TurnRecord]:
    """Say something in the place of what caused `replaced`, or the same once more, to have it answered anew.

    The branch that is left stays as it is. What runs or waits on it is cancelled, with all that queues.

    Raises:
        LimitReached: the session has too many branches.
    """
    if len(session.info.branches) >= BRANCHES_MAX:
        raise LimitReached(f"A session has at most {BRANCHES_MAX} branches.", limit=BRANCHES_MAX)
    new = conversation.caused(session, principal, sent, agent_version, now_ms)
    new = changed(new, branch=new.id)
    leaves = Branch(new.id, *branches.fork(session.info, replaced.id, replaced.branch))
    info = changed(session.info, branch=new.id, branches=(*session.info.branches, leaves))
    commit = Commit(session.id, "branch", events=[SessionUpdated(session=info)])
    session = changed(session, info=info)
    if active is not None:
        return _instead(commit, session, active, queued, asked, new, principal, sent, now_ms, via), new
    commit.events.extend(conversation.told(new, sent, None, 0))
    commit.list_for = list(session.members)
    commit.puts.append(turns.promote(commit, changed(session, queue=(new.id,)), new))
    return commit, new


def _instead(
    commit: Commit,
    session: SessionRecord,
    turn: TurnRecord,
    void: Sequence[TurnRecord],
    asked: list[InterruptRecord],
    new: TurnRecord,
    principal: Principal,
    sent: Sent,
    now_ms: int,
    via: str,
) -> Commit:
    """`new` comes next: the turn ends now, or is asked to, and those that are void never run."""
    for one in void:
        session = _withdrawn(commit, session, one, principal.by)
    session = changed(session, queue=(new.id, *session.queue))
    turn = changed(turn, replaced_by=new.id)
    if turn.status == "running":
        told = conversation.told(new, sent, turn.id, 1)
        _stop(commit, session, turn, asked, principal, now_ms, via, sent.ref)
        commit.puts.extend((session, new))
    else:
        told = conversation.told(new, sent, None, 0)
        ended = ending.end(session, turn, new, asked, "cancelled", now_ms, who=principal.by, via=via, ref=sent.ref)
        commit = _joined(commit, ended)
    commit.events.extend(told)
    commit.audit.append(turns.cancelled_entry(turn, principal.by, via, sent.ref))
    commit.list_for = list(session.members)
    return commit


def busy(session: SessionRecord, turn: TurnRecord) -> SessionBusy:
    """The refusal of a message that was not to wait: with what it would wait for."""
    return SessionBusy(
        f"The session's turn is {turn.status}: send this again when it has ended.",
        turn=turn.id,
        status=turn.status,
        open=list(turn.open),
        queued=len(session.queue),
    )


def _steering(message: Message, turn: TurnRecord) -> Message:
    return Message(message.id, message.role, message.parts, {**(message.metadata or {}), "steers": turn.id})


def _stop(
    commit: Commit,
    session: SessionRecord,
    turn: TurnRecord,
    asked: list[InterruptRecord],
    principal: Principal,
    now_ms: int,
    via: str,
    ref: str,
) -> None:
    """A turn that runs ends when what is under way is recorded; nobody needs to answer it any more."""
    decisions.close_all(commit, session, asked, ending.superseding(principal.by, via, now_ms, ref))
    timers = tuple(name for name in turn.open if not name.startswith("i_"))
    commit.puts.append(changed(turn, cancel=turn.cancel or principal.by, open=timers))
    commit.nudges.append(turn.id)


def _withdrawn(commit: Commit, session: SessionRecord, void: TurnRecord, who: By) -> SessionRecord:
    """A queued turn is never run. Gives the session without it."""
    ended = turns.finish(session, void, None, "cancelled", who=who)
    commit.puts.extend(put for put in ended.puts if isinstance(put, TurnRecord))
    commit.events.extend(ended.events)
    commit.drop_jobs.extend(ended.drop_jobs)
    return changed(session, queue=tuple(own_id for own_id in session.queue if own_id != void.id))


def _joined(first: Commit, then: Commit) -> Commit:
    then.puts[:0] = first.puts
    then.events[:0] = first.events
    then.drop_jobs[:0] = first.drop_jobs
    then.label = first.label
    return then
