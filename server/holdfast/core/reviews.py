"""Reviews: a call that nobody was asked about is shown to somebody afterwards, who says whether it was right.

It is a question of the call's own turn, for which that turn does not wait: it opens by the commit that records the
call's end, and closing it carries nothing on. Nobody is called to it: no notice, no reminder, no agent is told. What
is said is feedback about the call, kept by the commit that closes the question (docs/design/reviews.md).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Literal, cast

from msgspec.structs import replace

from holdfast.core import feedback, ids
from holdfast.core.asking import opened_entry
from holdfast.core.canonical import canonical_json, input_hash
from holdfast.core.commit import Commit
from holdfast.core.deadlines import Deadline
from holdfast.core.errors import BadInput
from holdfast.core.events import InterruptOpened
from holdfast.core.feedback import FEEDBACK_MAX, Feedback, FeedbackBook, Target
from holdfast.core.interrupts import REVIEW, Approvers, Decision, Interrupt, InterruptRecord, QuestionPayload
from holdfast.core.operations import Operation
from holdfast.core.turns import TurnRecord

OPEN_MAX = 20  # reviews of one session that are open at once: who does not look is not shown more
REVIEW_MS = 7 * 86_400_000  # after it, who has not looked will not
PART_MAX_BYTES = 16 * 1024  # of the arguments, and of the result, as JSON: what is larger is left out

RIGHT, WRONG = "right", "wrong"
LABEL = "review"  # by which its feedback is told from other feedback
OPTIONS = [{"id": RIGHT, "label": "Right"}, {"id": WRONG, "label": "Wrong"}]


def has_room(book: FeedbackBook, still_open: Collection[str]) -> bool:
    """Whether one more may be opened, and what is said about it can be kept."""
    return len(still_open) < OPEN_MAX and len(book.items) + len(still_open) < FEEDBACK_MAX


def open_with(
    commit: Commit,
    turn: TurnRecord,
    operation: Operation,
    shown: Interrupt,
    book: FeedbackBook,
    still_open: Sequence[str],
) -> None:
    """Have the commit that records a call's end show it to people."""
    assert shown.expiresAt is not None
    commit.puts.append(InterruptRecord(interrupt=shown, operation=operation.key))
    commit.puts.append(replace(book, reviews=(*still_open, shown.id)))
    commit.events.append(InterruptOpened(interrupt=shown))
    commit.inbox_add.append(shown.id)
    commit.set_deadlines.append(Deadline("expire", shown.id, shown.expiresAt))
    commit.audit.append(opened_entry(turn, shown, operation))


def id_of(operation: Operation) -> str:
    """The review of a call: of one that is retried there is no second one."""
    return ids.interrupt_id(operation.turn, f"{operation.key}/review")


def shown_of(turn: TurnRecord, operation: Operation, tool: str, approvers: Approvers | None, now_ms: int) -> Interrupt:
    """What is asked about a call that has ended."""
    judged = operation.judged
    assert judged is not None, "else it was not drawn"
    message = f"{tool} was let pass without asking, by {judged.rule!r}. Was that right?"
    given = {
        "question": message,
        "options": OPTIONS,
        "freeText": True,
        "context": {"tool": tool, **_part("input", operation.input), **_ended(operation)},
    }
    return Interrupt(
        id=id_of(operation),
        kind="question",
        session=turn.session,
        turn=turn.id,
        reason=REVIEW,
        message=message,
        toolName=tool,
        input=given,
        inputHash=input_hash(given),
        openedAt=now_ms,
        expiresAt=now_ms + REVIEW_MS,
        approvers=approvers,
        requester=turn.requester.subject if approvers and approvers.not_requester else None,
        metadata={"policy": {"rule": judged.rule, "sample": judged.sample}, "review": {"operation": operation.key}},
    )


def reviewers(named: Approvers | None, approvers: Approvers | None) -> Approvers | None:
    """Who may say it: who is named for that, but never about their own request; else whoever would have been asked.

    One of them is enough, and a reason is never required: a verdict without words is better than none.
    """
    if named is not None:
        return replace(named, not_requester=True)
    return approvers and replace(approvers, quorum=1, conflict="veto", require_reason=False)


def check_said(payload: QuestionPayload) -> None:
    """Let pass what is one of the two. Raises BadInput."""
    if payload.selected not in ([RIGHT], [WRONG]):
        raise BadInput('payload.selected: say ["right"] or ["wrong"]; words go into `text`.', kind="question")
    if payload.text is not None and len(payload.text) > feedback.COMMENT_MAX:
        raise BadInput(f"payload.text: at most {feedback.COMMENT_MAX} characters.", limit=feedback.COMMENT_MAX)


def said(decision: Decision) -> Literal["right", "wrong"]:
    """What an answer to a review says."""
    return RIGHT if decision.body.get("selected") == [RIGHT] else WRONG


def keep(commit: Commit, book: FeedbackBook, record: InterruptRecord, decision: Decision) -> None:
    """Have the commit that closes a review keep what was said, as feedback about the call.

    Raises:
        LimitReached: the session has as much feedback as one may have, in bytes. Nothing is decided.
    """
    shown = record.interrupt
    verdict = said(decision)
    given = Feedback(
        Target(operation=f"{shown.turn}/{record.operation}"),
        decision.by,
        decision.at,
        score=1 if verdict == RIGHT else -1,
        labels=(LABEL, verdict),
        comment=decision.body.get("text") or None,
    )
    left = tuple(one for one in book.reviews if one != shown.id)
    commit.puts.extend(feedback.giving(replace(book, reviews=left), given).puts)


def called(given: Any) -> dict[str, Any]:
    """The arguments of the call that a review with this input shows; none where they were too large."""
    context: object = given["context"].get("input")
    return cast("dict[str, Any]", context) if isinstance(context, dict) else {}


def _ended(operation: Operation) -> dict[str, Any]:
    if operation.kind == "permit":  # what comes of it is for another framework to say
        return {}
    if operation.outcome == "done":
        return _part("output", operation.value)
    return {"error": operation.reason}


def _part(name: str, value: Any) -> dict[str, Any]:
    try:
        size = len(canonical_json(value))
    except BadInput as error:
        return {f"{name}Omitted": error.message}
    return {name: value} if size <= PART_MAX_BYTES else {f"{name}Omitted": f"It has {size} bytes."}
