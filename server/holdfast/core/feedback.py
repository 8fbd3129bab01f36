"""Feedback: what people say afterwards about a message, an operation or an interrupt. It changes nothing else.

All of a session's feedback is one record, erased with it. A person says one thing about one target: what they say
again takes the place of what they said.
"""

from __future__ import annotations

from typing import Any

import msgspec

from holdfast.core.canonical import canonical_json
from holdfast.core.commit import Commit
from holdfast.core.errors import BadInput, LimitReached, NotFound
from holdfast.core.identity import By
from holdfast.core.ids import session_of
from holdfast.core.records import Record

FEEDBACK_MAX = 200  # of a session: it is one record, written whole
FEEDBACK_MAX_BYTES = 256 * 1024  # of a session, as JSON
COMMENT_MAX = 4_000  # characters
LABELS_MAX, LABEL_MAX = 20, 64  # labels of one, characters of a label
CORRECTION_MAX_BYTES = 16 * 1024  # as JSON
TARGET_MAX = 512  # characters of a target's name


class Target(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What it is about: exactly one of them. An operation is named by its turn, a slash and its key."""

    message: str | None = None
    operation: str | None = None
    interrupt: str | None = None

    @property
    def named(self) -> tuple[str, ...]:
        return tuple(name for name in (self.message, self.operation, self.interrupt) if name is not None)

    @property
    def turn(self) -> str | None:
        """The turn of an operation."""
        return self.operation.partition("/")[0] if self.operation is not None else None


class Feedback(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one person says about one target."""

    target: Target
    by: By
    at: int
    #: From -1 (bad) to 1 (good).
    score: float | None = None
    labels: tuple[str, ...] = ()
    comment: str | None = None
    #: What it should have been: a text, arguments, an output.
    correction: Any = None

    @property
    def about(self) -> tuple[Target, str]:
        return self.target, self.by.id


class FeedbackBook(Record, frozen=True, omit_defaults=True, kw_only=True):
    """All that was said about one session."""

    kind = "feedback"
    session: str
    items: tuple[Feedback, ...] = ()
    #: Reviews that may still be answered: there is room for what will be said. Some may have closed meanwhile.
    reviews: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return self.session


def check(session: str, said: Feedback) -> None:
    """Let pass what can be kept.

    Raises:
        BadInput: it says nothing, or too much, or its target is none.
        NotFound: its target is in another session.
    """
    if len(said.target.named) != 1:
        raise BadInput("target: give exactly one of `message`, `operation` and `interrupt`.")
    [name] = said.target.named
    if not 0 < len(name) <= TARGET_MAX:
        raise BadInput(f"target: a name has 1 to {TARGET_MAX} characters.")
    if said.score is None and not said.labels and said.comment is None and said.correction is None:
        raise BadInput("Say something: `score`, `labels`, `comment` or `correction`.")
    if said.score is not None and not -1 <= said.score <= 1:
        raise BadInput("score: must be from -1 to 1.")
    if len(said.labels) > LABELS_MAX or not all(0 < len(one) <= LABEL_MAX for one in said.labels):
        raise BadInput(f"labels: at most {LABELS_MAX}, each of 1 to {LABEL_MAX} characters.")
    if said.comment is not None and len(said.comment) > COMMENT_MAX:
        raise BadInput(f"comment: at most {COMMENT_MAX} characters.", limit=COMMENT_MAX)
    if said.correction is not None and len(canonical_json(said.correction)) > CORRECTION_MAX_BYTES:
        raise BadInput(f"correction: at most {CORRECTION_MAX_BYTES} bytes as JSON.", limit=CORRECTION_MAX_BYTES)
    within = said.target.interrupt or said.target.turn
    if within is not None and session_of(within) != session:
        raise NotFound("There is no such target in this session.")


def giving(book: FeedbackBook, said: Feedback) -> Commit:
    """The commit that keeps what is said.

    Raises:
        LimitReached: the session has as much as one may have.
    """
    others = tuple(one for one in book.items if one.about != said.about)
    items = (*others, said)
    if len(items) + len(book.reviews) > FEEDBACK_MAX:
        raise LimitReached(f"A session has at most {FEEDBACK_MAX} feedbacks.", limit=FEEDBACK_MAX)
    if len(msgspec.json.encode(items)) > FEEDBACK_MAX_BYTES:
        raise LimitReached(
            f"The feedback of a session has at most {FEEDBACK_MAX_BYTES} bytes.", limit=FEEDBACK_MAX_BYTES
        )
    return Commit(book.session, "feedback", puts=[msgspec.structs.replace(book, items=items)])
