"""Telling people something outside any turn: it stands on the board of who tells it, and goes to webhooks and hooks."""

from __future__ import annotations

import secrets

from holdfast.commands.attempts import attempt, body_of, command_id, present
from holdfast.commands.backend import Backend
from holdfast.commands.replies import ok, stored_ok
from holdfast.core import board, ids, notices
from holdfast.core.commit import Commit
from holdfast.core.errors import AlreadyExists, Gone, LimitReached
from holdfast.core.identity import Principal, check
from holdfast.protocol.frames import Notify, Ok
from holdfast.store.door import Done, View


async def notify(backend: Backend, principal: Principal, frame: Notify, via: str) -> Ok:
    """Tell it, once under each ref. Nobody is asked anything.

    Cancelling leaves the outcome unknown: repeat it.

    Raises:
        BadInput, Forbidden: nothing was told.
        LimitReached: as many were told in this person's name as there is room for.
    """
    to = frame.to or (principal.subject,)
    notices.check_said(frame.text, to)
    command = command_id(principal, frame.ref, body_of(frame))
    deed = _Posting(principal, frame, to, via)
    # The oldest first: what was told on a board that is full by now is not told again.
    for number in range(board.BOARDS_MAX):
        deed.board = ids.board_id(principal.subject, number)
        try:
            try:
                outcome = await attempt(backend, deed.board, command, deed.decide)
            except AlreadyExists:  # another process began it in the same moment: there it is
                outcome = await attempt(backend, deed.board, command, deed.decide)
        except Gone:
            continue
        if outcome is not None:
            return ok(frame.ref, outcome)
    most = board.BOARDS_MAX * board.NOTICES_MAX
    raise LimitReached(f"At most {most} notices are told in one person's name.", limit=most)


class _Posting:
    """The decision, with what it needs to know of the command."""

    board = ""

    def __init__(self, principal: Principal, frame: Notify, to: tuple[str, ...], via: str) -> None:
        self._principal, self._frame, self._to, self._via = principal, frame, to, via
        self._salt = secrets.token_hex(16)

    def decide(self, view: View) -> Commit | Done | None:
        if view.gone:
            return None
        if view.session is None:
            check(self._principal, "send", self.board, {self._principal.subject: "owner"})
            session = board.begun(self.board, self._salt, self._principal, view.now_ms)
        else:
            session = present(view, self._principal, "send")
        if board.is_full(session):
            return None
        commit = board.post(session, self._principal, self._frame.text, self._to, self._via, self._frame.ref)
        commit.reply = stored_ok(
            session.id, message=ids.user_message_id(session.id, self._principal.subject, self._frame.ref)
        )
        return commit
