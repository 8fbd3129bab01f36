"""Decisions: what an answer, a deadline or a withdrawal does to an interrupt, its turn and everybody's screen.

Everything here returns either a result that changes nothing, or one Commit in which the decision, the event, the
state of the tool's part, the deadline, the inbox, the audit entry and the continuation stand together (promise 3).
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from holdfast.core import entries, escalation, gates, interrupts, reviews, turns, voting
from holdfast.core.commit import Commit, Notice
from holdfast.core.deadlines import member, of_interrupt
from holdfast.core.errors import BadInput, Conflict, Forbidden, NotFound
from holdfast.core.events import ChunkWritten, InterruptClosed, InterruptUpdated
from holdfast.core.grants import may_answer
from holdfast.core.identity import OPERATOR, By, Principal, check
from holdfast.core.ids import message_id
from holdfast.core.interrupts import (
    PAYLOADS,
    ApprovalPayload,
    CancelPayload,
    ClientToolPayload,
    Decision,
    FormPayload,
    Happening,
    InDoubtPayload,
    Interrupt,
    InterruptRecord,
    QuestionPayload,
    Vote,
)
from holdfast.core.schemas import check as check_schema
from holdfast.core.session import SessionRecord
from holdfast.core.turns import TurnRecord

HAPPENING_OF_STATUS: dict[interrupts.Closed, Happening] = {
    "resolved": "resolve",
    "cancelled": "cancel",
    "expired": "expire",
    "withdrawn": "withdraw",
    "superseded": "supersede",
}


class Answer(msgspec.Struct, frozen=True):
    """What somebody submits to an interrupt."""

    status: Literal["resolved", "cancelled"]
    payload: Any
    by: By
    via: str
    ref: str | None = None

    @property
    def gives_up(self) -> bool:
        """Whether it says that a client tool failed."""
        payload: object = self.payload
        return self.status == "resolved" and isinstance(payload, dict) and "error" in payload


class Withdrawal(msgspec.Struct, frozen=True):
    """What takes an interrupt back."""

    reason: str | None
    by: By
    via: str
    ref: str | None = None


class Lost(msgspec.Struct, frozen=True):
    """It was settled before: this is the decision that stands."""

    decision: Decision


class Voted(msgspec.Struct, frozen=True):
    """Its sender has said the same before: that vote counts, and this one changes nothing."""

    vote: Vote


class Recorded(msgspec.Struct):
    """The vote counts, if the commit applies; with a decision, that one went the other way."""

    vote: Vote
    commit: Commit
    decision: Decision | None = None


class Won(msgspec.Struct):
    """The answer decides, if the commit applies."""

    decision: Decision
    commit: Commit
    #: Where several were needed: this one's part in it.
    vote: Vote | None = None


def entitled(principal: Principal, session: SessionRecord, record: InterruptRecord) -> bool:
    """Whether this principal may answer now (rights count when they are used)."""
    shown = record.interrupt
    return may_answer(principal, session, shown.approvers, shown.requester or "")


def may_still_answer(principal: Principal, session: SessionRecord, record: InterruptRecord) -> bool:
    """Whether there is anything left to do here for this principal, who may have voted already."""
    voted = voting.vote_of(record.interrupt, principal.subject) is not None
    return record.decision is None and not voted and entitled(principal, session, record)


def check_may_withdraw(principal: Principal, session: SessionRecord, record: InterruptRecord) -> None:
    """Operators and admins take back what was asked; whoever else knows of it is told that they may not."""
    within = principal.within(session=session.id, members=session.members)
    if OPERATOR in principal.roles or (within and principal.has("admin")):
        return
    if not entitled(principal, session, record):
        try:
            check(principal, "read", session.id, session.members)
        except NotFound:
            raise _no_such_interrupt() from None
    raise Forbidden(f"Only the role {OPERATOR!r} or an admin may withdraw an interrupt.", role=OPERATOR)


def check_entitled(principal: Principal, session: SessionRecord, record: InterruptRecord) -> None:
    """Let pass, or refuse; what is out of reach looks as if it did not exist."""
    if entitled(principal, session, record):
        return
    try:
        check(principal, "answer", session.id, session.members)
    except NotFound:
        raise _no_such_interrupt() from None
    raise Forbidden("This interrupt is for somebody else to answer.", approvers=record.interrupt.approvers)


def answer(
    session: SessionRecord, turn: TurnRecord, record: InterruptRecord, given: Answer, now_ms: int
) -> Won | Lost | Recorded | Voted:
    """Settle an interrupt by an answer, or count it; or say who was first.

    The caller has checked that the sender is entitled, and has settled an overdue deadline first.

    Raises:
        BadInput: the payload does not fit what was asked. Nothing is changed.
        Conflict: it is about other arguments than those that stand, or its sender has voted otherwise.
    """
    if record.decision is not None:
        return Lost(record.decision)
    payload = check_payload(record.interrupt, given)
    if voting.voted_on(record.interrupt):
        return _vote(session, turn, record, given, payload, now_ms)
    decision = Decision(given.status, payload, given.by, given.via, now_ms, given.ref)
    commit = close(session, turn, record, decision)
    commit.durable = True
    return Won(decision, commit)


def _vote(
    session: SessionRecord, turn: TurnRecord, record: InterruptRecord, given: Answer, payload: Any, now_ms: int
) -> Won | Recorded | Voted:
    """Count one of several answers, and decide if it is the last that was needed."""
    shown, approvers = record.interrupt, record.interrupt.approvers
    assert approvers is not None, "else it is not put to the vote"
    first = voting.vote_of(shown, given.by.id)
    if given.status == "cancelled":
        if first is not None:
            raise _voted_otherwise(first)
        return _veto(session, turn, record, given, payload, now_ms)
    vote = voting.vote_from(shown, payload, given.by, given.via, given.ref, now_ms)
    if first is not None:
        if not voting.agrees(vote, first):
            raise _voted_otherwise(first)
        return Voted(first)
    cast = voting.cast(shown, vote, payload)
    approved = voting.decides(cast)
    if approved is None:
        commit = _counted(session, record, cast, now_ms)
        _tell_vote(commit, session, shown, cast)
        return Recorded(vote, commit)
    decision = _decided(cast, approved, now_ms)
    commit = close(session, turn, replace(record, interrupt=cast), decision)
    commit.durable = True
    _tell_vote(commit, session, shown, cast)
    return Won(decision, commit, vote) if vote.approved is approved else Recorded(vote, commit, decision)


def _counted(session: SessionRecord, record: InterruptRecord, cast: Interrupt, now_ms: int) -> Commit:
    """A vote that does not decide; if it differs from the others, somebody else will."""
    voted = replace(record, interrupt=cast)
    commit = Commit(session.id, "vote", durable=True)
    if not voting.differ(cast):
        commit.puts.append(voted)
        return commit
    shown = escalation.split(cast, now_ms)
    escalation.tell(commit, session, voted, shown)
    escalation.look_soon(commit, shown, now_ms)
    return commit


def _voted_otherwise(first: Vote) -> Conflict:
    return Conflict("You have voted already, and that vote stands.", vote=msgspec.to_builtins(first))


def _veto(
    session: SessionRecord, turn: TurnRecord, record: InterruptRecord, given: Answer, payload: Any, now_ms: int
) -> Won:
    """One person's "cancelled", where one person's no is enough too."""
    approvers = record.interrupt.approvers
    if approvers is not None and approvers.conflict != "veto":
        raise BadInput("status: this is put to the vote; say yes or no.", conflict=approvers.conflict)
    decision = Decision("cancelled", payload, given.by, given.via, now_ms, given.ref)
    commit = close(session, turn, record, decision)
    commit.durable = True
    return Won(decision, commit)


def _decided(cast: Interrupt, approved: bool, now_ms: int) -> Decision:
    """What the votes decided, in the words of the one by which its side prevailed."""
    last = voting.deciding(cast.votes, approved)
    edited = cast.edited.input if approved and cast.edited else msgspec.UNSET
    payload = msgspec.to_builtins(ApprovalPayload(approved, last.reason, edited, metadata=last.metadata))
    return Decision("resolved", payload, last.by, last.via, now_ms, last.ref)


def _tell_vote(commit: Commit, session: SessionRecord, before: Interrupt, cast: Interrupt) -> None:
    """Show the tally to everybody, and put the vote into the trail; before the closing, if it decides."""
    vote = cast.votes[-1]
    changes: dict[str, Any] = {"votes": cast.votes}
    if cast.edited != before.edited:
        changes["edited"] = cast.edited
    commit.events.insert(0, InterruptUpdated(interrupt=cast.id, changes=msgspec.to_builtins(changes)))
    commit.audit.insert(0, entries.voted(session, cast, vote, msgspec.to_builtins(vote)))


def withdraw(
    session: SessionRecord, turn: TurnRecord, record: InterruptRecord, given: Withdrawal, now_ms: int
) -> Won | Lost:
    """Take an open interrupt back: nobody needs to answer it any more. That is neither a yes nor a no.

    The caller has checked that the sender may, and has settled an overdue deadline first.
    """
    if record.decision is not None:
        return Lost(record.decision)
    payload = {"reason": given.reason} if given.reason else None
    decision = Decision("withdrawn", payload, given.by, given.via, now_ms, given.ref)
    commit = close(session, turn, record, decision)
    commit.label = "withdraw"
    commit.durable = True
    return Won(decision, commit)


def expire(session: SessionRecord, turn: TurnRecord, record: InterruptRecord, now_ms: int) -> Commit:
    """The deadline of an open interrupt has come. It acts by itself, and is not a human's "no".

    With `on_expiry="escalate"` it asks the next instead, and closes it only when nobody is left to ask.
    """
    if record.interrupt.onExpiry == "escalate" and (put_off := escalation.extend(session, record, now_ms)):
        return put_off
    by = By("deadline", "deadline")
    match record.interrupt.onExpiry:
        case "approve" if record.interrupt.kind in ("approval", "gate"):  # elsewhere there is nothing to say yes to
            decision = Decision("resolved", {"approved": True}, by, "deadline", now_ms)
        case "cancel":
            decision = Decision("cancelled", None, by, "deadline", now_ms)
        case _:
            decision = Decision("expired", None, by, "deadline", now_ms)
    commit = close(session, turn, record, decision)
    commit.label = "expire"
    commit.due.append(member("expire", record.id))
    return commit


def close(session: SessionRecord, turn: TurnRecord, record: InterruptRecord, decision: Decision) -> Commit:
    """The commit by which `decision` settles one open interrupt."""
    commit = Commit(session.id, "decide")
    closing = settle(commit, session, record, decision)
    if record.interrupt.afterwards:  # its turn has gone on long ago
        return commit
    if turn.external:
        gates.finish(commit, session, turn, decision)
        return commit
    changed, events, jobs = turns.close_open(turn, closing.id, hold=not record.interrupt.autoContinue)
    commit.puts.append(changed)
    commit.events.extend(events)
    commit.jobs.extend(jobs)
    return commit


def close_all(
    commit: Commit,
    session: SessionRecord,
    records: list[InterruptRecord],
    decision: Decision,
) -> None:
    """Settle what is still open when its turn ends: part of the commit that ends it."""
    for record in records:
        if record.decision is None:
            settle(commit, session, record, decision)


def settle(commit: Commit, session: SessionRecord, record: InterruptRecord, decision: Decision) -> InterruptRecord:
    """Add to `commit` all that closing this interrupt means, except for its turn."""
    status = interrupts.next_status(record.status, HAPPENING_OF_STATUS[decision.status])
    assert status is not None, "the caller has seen that it is open"
    closed = replace(record, status=status, decision=decision)
    shown = record.interrupt
    commit.puts.append(closed)
    commit.events.append(InterruptClosed(interrupt=record.id, decision=decision))
    for chunk in closing_chunks(shown, decision):
        message = chunk_message(shown)
        commit.events.append(ChunkWritten(turn=shown.turn, message=message, chunk=chunk))
    commit.drop_deadlines.extend(of_interrupt(record.id))
    commit.inbox_drop.append(record.id)
    if not shown.afterwards:  # nobody was called to it
        commit.notices.append(Notice("interrupt.closed", session.id, record.id, record.version + 1))
    commit.audit.append(entries.closed(session, record, decision))
    return closed


def chunk_message(shown: Interrupt) -> str:
    """The message in which an interrupt's tool part stands."""
    return message_id(shown.turn)


def closing_chunks(shown: Interrupt, decision: Decision) -> list[dict[str, Any]]:
    """How the tool's part shows a decision: the response always before the output."""
    call = shown.toolCallId
    if call is None or shown.kind == "in_doubt":
        return []
    if shown.kind in ("approval", "gate"):
        return _approval_chunks(shown, call, decision)
    if decision.status != "resolved":
        return [{"type": "tool-output-error", "toolCallId": call, "errorText": not_answered(decision)}]
    if shown.kind == "client_tool" and "error" in decision.payload:
        return [{"type": "tool-output-error", "toolCallId": call, "errorText": decision.payload["error"]}]
    output = decision.payload["output"] if shown.kind == "client_tool" else decision.payload
    return [{"type": "tool-output-available", "toolCallId": call, "output": output}]


def approves(decision: Decision) -> bool:
    """Only a resolved decision whose payload says JSON `true` is a yes (promise 7)."""
    return decision.approved


def not_answered(decision: Decision) -> str:
    """Why there is no answer, in words for the agent."""
    reason = decision.body.get("reason")
    if isinstance(reason, str) and reason:
        return reason
    return f"{decision.status} by {decision.by.name or decision.by.id}"


def check_payload(shown: Interrupt, given: Answer) -> Any:
    """The payload, checked against what was asked, in the form in which it is kept.

    Raises:
        BadInput: with the path and what would be right.
    """
    if given.status == "cancelled" and given.payload is None:
        _check_reason(shown, CancelPayload())
        return None
    expected = PAYLOADS[shown.kind] if given.status == "resolved" else CancelPayload
    try:
        payload = msgspec.convert(given.payload, expected, strict=True)
    except msgspec.ValidationError as error:
        raise BadInput(f"payload: {error}", kind=shown.kind) from None
    if isinstance(payload, ClientToolPayload) and (payload.output is msgspec.UNSET) == (payload.error is msgspec.UNSET):
        raise BadInput("payload: give exactly one of `output` and `error`.", kind=shown.kind)
    if isinstance(payload, ApprovalPayload) and payload.input is not msgspec.UNSET and not shown.editable:
        raise BadInput("payload.input: the arguments of this call cannot be edited.", kind=shown.kind)
    if isinstance(payload, ApprovalPayload):
        voting.check_seen(shown, payload.inputHash)
        _check_grantable(shown, payload)
    if isinstance(payload, QuestionPayload) and shown.afterwards:
        reviews.check_said(payload)
    if isinstance(payload, FormPayload) and payload.content is not None and shown.url is not None:
        raise BadInput("payload.content: it is filled in behind the link; nothing of it passes here.", kind=shown.kind)
    _check_reason(shown, payload)
    _check_fits(shown, payload)
    return msgspec.to_builtins(payload)


def _check_grantable(shown: Interrupt, payload: ApprovalPayload) -> None:
    if payload.grant is msgspec.UNSET:
        return
    if not payload.approved:
        raise BadInput("payload.grant: a denial grants nothing.", kind=shown.kind)
    if not shown.grantable:
        raise BadInput("payload.grant: this approval cannot be made a standing grant.", kind=shown.kind)


def _check_reason(shown: Interrupt, payload: msgspec.Struct) -> None:
    """Where a reason is required, blanks are none. Only what is approved or denied has one to give."""
    required = shown.approvers is not None and shown.approvers.require_reason and shown.kind in voting.VOTED_ON
    if required and isinstance(payload, ApprovalPayload | CancelPayload) and not (payload.reason or "").strip():
        raise BadInput("payload.reason: a reason is required here.", kind=shown.kind)


def _check_fits(shown: Interrupt, payload: msgspec.Struct) -> None:
    """What people and devices give must fit the schema that was shown to them."""
    if shown.responseSchema is None:
        return
    match payload:
        case FormPayload(action="accept", content=content):
            check_schema(shown.responseSchema, content or {}, "payload.content")
        case ClientToolPayload(output=output) if output is not msgspec.UNSET:
            check_schema(shown.responseSchema, output, "payload.output")
        case ApprovalPayload(input=edited) if edited is not msgspec.UNSET:
            check_schema(shown.responseSchema, edited, "payload.input")
        case InDoubtPayload(ran=True, result=result):
            check_schema(shown.responseSchema, None if result is msgspec.UNSET else result, "payload.result")
        case _:
            return


def _no_such_interrupt() -> NotFound:
    return NotFound("There is no such interrupt, or it is not yours to answer.")


def in_doubt_approvers() -> interrupts.Approvers:
    """Calls in doubt are for operators (rule n)."""
    return interrupts.Approvers(roles=(OPERATOR,))


def _approval_chunks(shown: Interrupt, call: str, decision: Decision) -> list[dict[str, Any]]:
    approved = approves(decision)
    response: dict[str, Any] = {
        "type": "tool-approval-response",
        "approvalId": shown.id,
        "toolCallId": call,
        "approved": approved,
    }
    reason = decision.body.get("reason") if approved else not_answered(decision)
    if reason:
        response["reason"] = reason
    if approved and shown.kind == "gate":
        return [response, {"type": "tool-output-available", "toolCallId": call, "output": decision.payload}]
    if approved:
        return [response]  # its output comes when it has run
    return [response, {"type": "tool-output-denied", "toolCallId": call, "reason": reason}]
