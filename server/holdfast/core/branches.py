"""Branches: what is said in the place of something earlier, beside it. Both stay, and one of them is shown.

The log is one line, and stays so. A branch is a tag on turns: its first turn stands in the place of an earlier one,
and it is followed by what was said on it. What came before that earlier turn is common to both. More in
docs/design/branches.md.

    root   t1 ── t2 ── t3            t2 is edited: branch b = {id: t4, parent: root, before: t2}
            └─── t4 ── t5            shown on b: t1, t4, t5
"""

from __future__ import annotations

from holdfast.core.folding import Placed, State
from holdfast.core.session import Branch, SessionInfo

ROOT = ""  # the branch on which a session begins


def fork(info: SessionInfo, turn: str, branch: str) -> tuple[str, str]:
    """Where a branch leaves that replaces `turn`: its parent, and the turn on it.

    What replaces the first turn of a branch leaves where that branch does: all versions are side by side.
    """
    for own in info.branches:
        if own.id == turn:
            return own.parent, own.before
    return branch, turn


def versions(info: SessionInfo, turn: str, branch: str) -> list[str]:
    """The turns that stand in one place, oldest first: the one that was there, and those that replaced it."""
    place = fork(info, turn, branch)
    return [place[1], *(own.id for own in info.branches if (own.parent, own.before) == place)]


def followed(info: SessionInfo, branch: str) -> dict[str, str | None]:
    """The branches that are shown on this one, each up to the turn that was replaced; None: all of it."""
    known: dict[str, Branch] = {own.id: own for own in info.branches}
    upto: dict[str, str | None] = {branch: None}
    while branch in known:
        branch, before = known[branch].parent, known[branch].before
        upto[branch] = before
    return upto


def visible(state: State, branch: str | None = None) -> list[Placed]:
    """The messages of a branch, oldest first; None: of the one that is shown."""
    info = state.session
    if info is None or not info.branches:
        return state.ordered
    upto = followed(info, info.branch if branch is None else branch)
    return [placed for placed in state.ordered if _is_on(state, upto, placed)]


def _is_on(state: State, upto: dict[str, str | None], placed: Placed) -> bool:
    own, first = _place(state, placed)
    if own not in upto:
        return False
    before = upto[own]
    if before is None:
        return True
    replaced = state.turns.get(before)  # if it is older than all that is here, so is what is common
    return replaced is not None and first < replaced.first


def _place(state: State, placed: Placed) -> tuple[str, int]:
    """The branch of a message and where it stands there: where its turn does, for it may have streamed late."""
    turn = state.turns.get(placed.place.turn or "")
    if turn is not None:
        return turn.branch, turn.first
    return (placed.message.metadata or {}).get("branch", ROOT), placed.place.first
