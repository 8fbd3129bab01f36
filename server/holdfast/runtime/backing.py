"""Backing: what a call stands on at the moment when it is let go, which is later than when it was judged.

    budgets of persons, agents, days …   counted in their homes, before     given back if it is not let go after all
    budgets of the session               counted by the very commit that lets it go
    its grant                            read again just before, or guarded by that commit

Whatever is not there any more means that the call is judged, or asked about, again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from holdfast.core import grants, ids
from holdfast.core.budgets import Charge, Overrun, overruns, spend
from holdfast.core.commit import Commit
from holdfast.core.matching import Case
from holdfast.core.operations import Operation
from holdfast.core.standing import StandingRecord, put
from holdfast.runtime.execution import Execution
from holdfast.runtime.tools import Tool


class Overtaken(Exception):
    """The verdict does not hold any more. Without overruns: its grant does not stand."""

    def __init__(self, over: list[Overrun]) -> None:
        super().__init__("overtaken")
        self.overruns = over


class Backing:
    """Of one call. Nothing to do for most: then it costs nothing."""

    def __init__(
        self,
        x: Execution,
        tool: Tool[..., Any],
        operation: Operation,
        case: Case | None = None,
        charges: Sequence[tuple[str, Charge]] = (),
    ) -> None:
        self._x, self._tool, self._case = x, tool, case
        judged = operation.judged
        self._grant = judged.grant if judged and case is not None else None
        self._told = {one.name for one in judged.overruns} if judged else set[str]()
        self._key = ids.idempotency_key(x.turn.id, operation.key)
        self._own = [charge for home, charge in charges if home == x.turn.session]
        self._wide: dict[str, list[Charge]] = {}
        for home, charge in charges:
            if home != x.turn.session:
                self._wide.setdefault(home, []).append(charge)
        self._counted: list[str] = []

    async def reserve(self) -> None:
        """Count it where that cannot be part of the commit. Raises Overtaken."""
        for home, taken in self._wide.items():
            now_ms = self._x.writer.now_ms()
            await self._x.environment.standings.count(
                home, taken, self._key, now_ms, lambda record, taken=taken: self._check(record, taken, self._key)
            )
            self._counted.append(home)

    async def back(self, commit: Commit) -> None:
        """Make it part of the commit by which the call goes. Raises Overtaken."""
        if self._grant is not None:
            await self._granted(commit, self._grant)
        if not self._own:
            return
        record = await self._x.environment.standings.read(self._x.turn.session)
        self._check(record, self._own, "")
        put(commit, record, replace(record, counters=spend(record.counters, self._own, self._x.writer.now_ms())))

    async def give_back(self) -> None:
        """It is not let go."""
        while self._counted:
            home = self._counted.pop()
            await self._x.environment.standings.give_back(home, self._wide[home], self._key)

    def _check(self, record: StandingRecord, taken: list[Charge], key: str) -> None:
        now_ms = self._x.writer.now_ms()
        over = overruns(taken, record.counters, now_ms, key)
        if untold := [one for one in over if one.name not in self._told]:
            raise Overtaken(untold)

    async def _granted(self, commit: Commit, own_id: str) -> None:
        record = await self._x.environment.standings.read(ids.home_of(own_id))
        grant, x = record.grant(own_id), self._x
        assert self._case is not None
        approvers = self._tool.rules.approvers
        if grant is None or not grants.covers(grant, self._case, x.session, approvers, x.writer.now_ms()):
            raise Overtaken([])
        if record.home == x.turn.session:
            commit.guards.append(record)
