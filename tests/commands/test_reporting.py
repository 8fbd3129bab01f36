"""The report: read from the trail, with the arguments of sessions that live."""

from __future__ import annotations

import msgspec
import pytest
from tests.commands.scene import ALICE, Scene
from tests.commands.test_answering import answer

from holdfast.cli.report import report_lines
from holdfast.commands import reporting
from holdfast.commands.auditing import Wanted
from holdfast.commands.backend import Backend
from holdfast.core.errors import Forbidden
from holdfast.core.identity import Principal

ADMIN = Principal("root", sessions=("*",), can=("admin",))


async def scenes(backend: Backend) -> list[Scene]:
    """Three sessions, with seven approved refunds of 200 in each."""
    found = [await Scene.begin(backend, ref=f"start {n}") for n in range(3)]
    for scene in found:
        for shown in [await scene.ask() for _ in range(7)]:
            await answer(scene, shown, ref=f"a {shown.id}")
    return found


async def test_clear_evidence_is_told_with_a_rule(backend: Backend) -> None:
    [first, *_] = await scenes(backend)
    told = await reporting.report(backend, ADMIN, Wanted())
    [tool] = told.tools
    assert (tool.tool, tool.counts.asked, tool.counts.approved, told.calls, told.more) == ("refund", 21, 21, 21, False)
    [proposal] = told.proposals
    assert "21 of 21 calls" in proposal.evidence
    await answer(first, await first.ask(), {"approved": False}, ref="no")
    told = await reporting.report(backend, ADMIN, Wanted(tool="refund"))
    assert (told.tools[0].counts.denied, told.proposals) == (1, [])


async def test_it_reads_on_a_terminal(backend: Backend) -> None:
    scene = await Scene.begin(backend)
    await scene.ask("question")
    await answer(scene, await scene.ask(), {"approved": True})
    told = await reporting.report(backend, ADMIN, Wanted())
    lines = list(report_lines(msgspec.to_builtins(told)))
    assert lines[0].startswith("refund: 1 asked, 1 approved, 0 denied, 0 timed out, 0 other, half of them within ")
    assert lines[1].startswith("  amount 200 to 200: 1 asked")
    assert lines[2:] == ["1 calls", "no rule is proposed: the evidence is thin or mixed"]


async def test_it_is_for_who_may_see_the_trail(backend: Backend) -> None:
    with pytest.raises(Forbidden):
        await reporting.report(backend, ALICE, Wanted())
