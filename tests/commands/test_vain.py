"""Answers in vain: they change nothing, and the trail tells of them, each once and never too many."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.commands.scene import ALICE, BOB, STRANGER, Scene
from tests.commands.test_answering import answer

from holdfast.commands import auditing, updating
from holdfast.commands.auditing import AuditShown, Wanted
from holdfast.core.entries import VAIN_MAX
from holdfast.core.errors import BadInput, NotFound
from holdfast.core.identity import Principal
from holdfast.core.interrupts import Approvers
from holdfast.protocol.frames import ToolUpdate, Update

ADMIN = Principal("root", sessions=("*",), can=("admin",))
EVERYWHERE = Principal("bob", sessions=("*",))


async def told(scene: Scene, **wanted: Any) -> list[AuditShown]:
    wanted = {"session": scene.session} | wanted
    return (await auditing.page(scene.backend, ADMIN, Wanted(**wanted), bodies=True)).entries


async def test_a_losing_answer_is_told_once_however_often_it_is_repeated(scene: Scene) -> None:
    shown = await scene.ask_and_wait()
    await answer(scene, shown, {"approved": False, "reason": "no"})
    for _ in range(3):
        await answer(scene, shown, by=EVERYWHERE, ref="late")
    [lost] = await told(scene, action="answer.lost")
    assert (lost.by.id, lost.via, lost.status, lost.outcome) == ("bob", "test", "resolved", "approved")
    assert lost.latency_ms is not None
    assert lost.bodies is not None
    assert lost.bodies.payload == {"approved": False, "reason": "no"}, "of the decision that stands"
    [won] = await told(scene, status="denied")
    assert (won.right, won.tool, won.bodies and won.bodies.input) == ("member", "refund", {"amount": 200})


async def test_a_refused_answer_changes_nothing_but_is_told(scene: Scene) -> None:
    shown = await scene.ask_and_wait(approvers=Approvers(roles=("manager",)))
    before = await scene.fingerprint()
    with pytest.raises(NotFound):
        await answer(scene, shown, by=STRANGER)
    with pytest.raises(BadInput):
        await answer(scene, shown, {"approved": 1}, by=Principal("max", roles=("manager",)))
    assert await scene.fingerprint() == before
    refused = await told(scene, action="answer.refused")
    assert [(one.by.id, one.status) for one in refused] == [("max", "bad_input"), ("mallory", "not_found")]


async def test_an_update_that_forges_an_output_is_told_once(scene: Scene) -> None:
    shown = await scene.ask_and_wait()
    forged = ToolUpdate("tool-output-available", shown.toolCallId or "", output=1)
    for _ in range(2):
        await updating.update(scene.backend, ALICE, Update("u1", scene.session, [forged]), "test")
    assert [one.status for one in await told(scene, action="answer.refused")] == ["forged_output"]


async def test_nobody_floods_the_trail(scene: Scene) -> None:
    shown = await scene.ask_and_wait()
    await answer(scene, shown)
    await asyncio.gather(*(answer(scene, shown, by=EVERYWHERE, ref=f"late {n}") for n in range(3 * VAIN_MAX)))
    await answer(scene, shown, by=ALICE, ref="mine")
    lost = await told(scene, action="answer.lost")
    assert [one.by.id for one in lost].count(BOB.subject) == VAIN_MAX
    assert [one.by.id for one in lost].count(ALICE.subject) == 1
