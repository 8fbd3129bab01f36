"""Taking a turn that is ready: one commit, under a new fence. A worker of ours does it, and one that comes by HTTP."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from holdfast.core import takeover, turns
from holdfast.core.commit import Commit, Fence
from holdfast.core.ids import session_of
from holdfast.core.session import SessionRecord
from holdfast.core.turns import TurnRecord, next_status
from holdfast.store.door import Done, Door

Wanted = Callable[[TurnRecord, SessionRecord | None], bool]


async def take(door: Door, own_id: str, wanted: Wanted, lease_ms: int) -> tuple[TurnRecord, Fence] | None:
    """Take the turn, if it is `wanted` and ready. None: it is not ours to run, or another was faster.

    A hint that leads to nothing is dropped. Cancelling leaves it unknown whether it was taken: the lease runs out.
    """
    view = await door.read(session_of(own_id), turns=(own_id,))
    turn = view.turns.get(own_id)
    if turn is None or not wanted(turn, view.session):
        return None
    if next_status(turn.status, "take") is None or (turn.blocked and turn.blocked["code"] != "no_worker"):
        await door.commit(Commit(turn.session, "unhint", guards=[turn], drop_jobs=[turn.job]))
        return None
    if view.session is not None and takeover.keeps_from_running(view.session, turn):  # the handback tells of it again
        await door.commit(Commit(turn.session, "unhint", guards=[turn, view.session], drop_jobs=[turn.job]))
        return None
    commit, fence = turns.take(turn, view.epoch, lease_ms)
    done = await door.commit(commit)
    if not isinstance(done, Done):
        return None
    taken = next(put for put in commit.puts if isinstance(put, TurnRecord))
    taken = replace(taken, version=taken.version + 1)
    if not turn.started:
        taken = replace(taken, begins=done.first)  # noted with the record's next write
    return taken, fence
