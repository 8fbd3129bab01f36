"""Asking: the commit by which a turn opens an interrupt."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from holdfast.core import escalation, forms, schemas
from holdfast.core.audit import AuditEntry
from holdfast.core.commit import Commit, Notice, Writer
from holdfast.core.deadlines import Deadline
from holdfast.core.errors import BadInput, LimitReached
from holdfast.core.events import ChunkWritten, InterruptOpened
from holdfast.core.identity import By
from holdfast.core.interrupts import Interrupt, InterruptRecord
from holdfast.core.messages import said_by
from holdfast.core.operations import Operation
from holdfast.core.people import Known
from holdfast.core.turns import TurnRecord
from holdfast.core.voting import VOTED_ON

#: Interrupts of one turn that may be open at once: a page of cards, not a flood.
OPEN_MAX = 100


def opening(
    turn: TurnRecord,
    writer: Writer | None,
    shown: Interrupt,
    operation: Operation,
    known: Known | None = None,
    remembers: tuple[tuple[str, ...], ...] = (),
) -> Commit:
    """Put `shown` before people, as what `operation` waits for. The turn itself goes on until nothing else can.

    `known` is what is known of them, so that it can be said at once if nobody is there. None: the sweeper will look.
    `remembers`: which arguments are remembered as approved, if people approve.

    Raises:
        LimitReached: the turn has too many open already.
        BadInput: the schema to be answered by cannot be used, a quorum is asked for what is no yes or no, or a rung of
            the ladder leaves fewer people than the quorum.
    """
    if len(turn.open) >= OPEN_MAX:
        raise LimitReached(f"A turn has at most {OPEN_MAX} open interrupts.", limit=OPEN_MAX)
    _check_askable(shown)
    shown = _in_time(_with_requester(turn, shown))
    escalation.check(shown)
    commit = Commit(
        turn.session,
        "open",
        by=writer,
        puts=[replace(turn, open=(*turn.open, shown.id))],
        operations=[operation],
        inbox_add=[shown.id],
        notices=[Notice("interrupt.opened", turn.session, shown.id, 1)],
        audit=[opened_entry(turn, shown, operation)],
    )
    for chunk in opening_chunks(shown):
        commit.events.append(ChunkWritten(turn=turn.id, message=turn.message, chunk=chunk))
    routed = shown if known is None else escalation.route(shown, known.members, known.people, shown.openedAt)
    asked = InterruptRecord(interrupt=shown, operation=operation.key, remembers=remembers)
    commit.puts.insert(0, asked.showing(routed))
    commit.events.append(InterruptOpened(interrupt=routed))
    escalation.say(commit, turn.session, shown, routed, 1)
    if shown.expiresAt is not None:
        commit.set_deadlines.append(Deadline("expire", shown.id, shown.expiresAt))
    if known is None and escalation.asks_beyond(shown):
        escalation.look_soon(commit, shown, shown.openedAt)
    elif escalation.upcoming(routed) is not None:
        escalation.wait_for_next(commit, routed)
    return commit


def opened_entry(turn: TurnRecord, shown: Interrupt, operation: Operation) -> AuditEntry:
    """The trail's line for a question that is asked."""
    return AuditEntry(
        "interrupt.opened",
        turn.session,
        By("system", shown.agent or turn.agent),
        turn=turn.id,
        interrupt=shown.id,
        tool=shown.toolName,
        rule=operation.judged.rule if operation.judged else None,
        operation=operation.key,
        inputHash=shown.inputHash,
    )


def _check_askable(shown: Interrupt) -> None:
    """What cannot be shown to people, or not be answered by them, is refused before they see it."""
    if shown.url is not None:
        forms.check_link(shown.url)
    if shown.kind == "form" and shown.responseSchema is not None:
        forms.check_form(shown.responseSchema)
    elif shown.responseSchema is not None:
        schemas.usable(shown.responseSchema)


def _with_requester(turn: TurnRecord, shown: Interrupt) -> Interrupt:
    """Who asked is noted where that one may not answer."""
    if shown.approvers is None:
        return shown
    if shown.approvers.quorum > 1 and shown.kind not in VOTED_ON:
        raise BadInput(f"A quorum can approve or deny; it cannot answer a {shown.kind}.", kind=shown.kind)
    return replace(shown, requester=turn.requester.subject) if shown.approvers.not_requester else shown


def _in_time(shown: Interrupt) -> Interrupt:
    """What is over before anybody could see it is denied: no silence of people is a yes to it, and no rung has time."""
    over = shown.expiresAt is not None and shown.expiresAt <= shown.openedAt
    return replace(shown, onExpiry="deny") if over and shown.onExpiry in ("approve", "escalate") else shown


def sleeping(turn: TurnRecord, writer: Writer, operation: Operation) -> Commit:
    """Let the turn wait for a time instead of a person."""
    assert operation.due_ms is not None
    return Commit(
        turn.session,
        "sleep",
        by=writer,
        puts=[replace(turn, open=(*turn.open, timer_name(operation.key)))],
        operations=[operation],
        set_deadlines=[Deadline("timer", turn.id, operation.due_ms, operation=operation.key)],
    )


def timer_name(key: str) -> str:
    """How a sleep stands among what its turn waits for."""
    return f"timer {key}"


def timed(name: str) -> str:
    """The operation whose sleep stands under this name."""
    return name.removeprefix("timer ")


def opening_chunks(shown: Interrupt) -> list[dict[str, Any]]:
    """How the agent's message shows what is asked: every interrupt is a tool call in it."""
    if shown.toolCallId is None or shown.kind == "in_doubt":
        return []
    call: dict[str, Any] = {
        "type": "tool-input-available",
        "toolCallId": shown.toolCallId,
        "toolName": shown.toolName or shown.kind,
        "input": shown.input,
    }
    if shown.kind not in ("approval", "client_tool"):
        call["dynamic"] = True
    if shown.agent is not None:
        call["providerMetadata"] = said_by(shown.agent)
    if shown.kind not in ("approval", "gate"):
        return [call]
    return [
        call,
        {"type": "tool-approval-request", "approvalId": shown.id, "toolCallId": shown.toolCallId},
    ]
