"""What is tried in vain: it changes nothing, and the trail tells of it, each once and never too often."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.commands.scene import ALICE, BOB, STRANGER, Scene
from tests.commands.test_answering import answer
from tests.commands.test_claiming import claim
from tests.commands.test_continuing import carry_on
from tests.commands.test_withdrawing import withdraw

from holdfast.commands import auditing, claiming, updating
from holdfast.commands.auditing import AuditShown, Wanted
from holdfast.core.entries import VAIN_MAX
from holdfast.core.errors import BadInput, Conflict, Forbidden, NotFound
from holdfast.core.identity import Principal
from holdfast.core.interrupts import Approvers
from holdfast.protocol.frames import Claim, ToolUpdate, Update

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


# What is no answer.


async def test_a_withdrawal_that_lost_or_was_refused_is_told(scene: Scene) -> None:
    shown = await scene.ask_and_wait()
    with pytest.raises(Forbidden):
        await withdraw(scene, shown, by=ALICE, ref="mine")
    await answer(scene, shown)
    for _ in range(2):
        assert (await withdraw(scene, shown, ref="late")).outcome == "lost"
    [lost] = await told(scene, action="withdrawal.lost")
    assert (lost.by.id, lost.status, lost.outcome, lost.ref) == ("olga", "resolved", None, "late")
    [refused] = await told(scene, action="withdrawal.refused")
    assert (refused.by.id, refused.status, refused.tool) == ("alice", "forbidden", "refund")


async def test_a_claim_that_came_too_late_or_was_refused_is_told(scene: Scene) -> None:
    shown = await scene.ask_and_wait()
    await claim(scene, shown)
    with pytest.raises(Conflict):
        await claim(scene, shown, EVERYWHERE, ref="second")
    with pytest.raises(NotFound):
        await claim(scene, shown, STRANGER, ref="strange")
    await answer(scene, shown)
    with pytest.raises(Conflict):
        await claim(scene, shown, EVERYWHERE, ref="late")
    [lost] = await told(scene, action="claim.lost")
    assert (lost.by.id, lost.status, lost.ref) == ("bob", "resolved", "late")
    refused = await told(scene, action="claim.refused")
    assert [(one.by.id, one.status) for one in refused] == [("mallory", "not_found"), ("bob", "conflict")]


async def test_ones_own_devices_are_no_rivals(scene: Scene) -> None:
    shown = await scene.ask("client_tool")

    async def do(device: str) -> None:
        frame = Claim(f"c {device}", shown.session, shown.id, device=device)
        await claiming.claim(scene.backend, ALICE, frame, "test")

    await do("phone")
    with pytest.raises(Conflict):
        await do("laptop")
    await answer(scene, shown, {"output": "here"})
    with pytest.raises(Conflict):
        await do("laptop")
    assert [one for one in await told(scene) if one.action.startswith("claim")] == []


async def test_to_continue_in_vain_is_told(scene: Scene) -> None:
    shown = await scene.ask_and_wait(autoContinue=False)
    with pytest.raises(Conflict):
        await carry_on(scene, ALICE, "soon")
    await answer(scene, shown)
    await carry_on(scene, ALICE, "first")
    for _ in range(2):
        assert (await carry_on(scene, EVERYWHERE, "late")).outcome == "lost"
    [lost] = await told(scene, action="continue.lost")
    assert (lost.by.id, lost.turn, lost.status) == ("bob", scene.turn_id, "ready")
    [refused] = await told(scene, action="continue.refused")
    assert (refused.by.id, refused.status) == ("alice", "conflict")


async def test_each_kind_has_places_of_its_own(scene: Scene) -> None:
    shown = await scene.ask_and_wait()
    await answer(scene, shown)
    for n in range(VAIN_MAX + 1):
        assert (await withdraw(scene, shown, ref=f"w{n}")).outcome == "lost"
    assert (await answer(scene, shown, by=EVERYWHERE, ref="late")).outcome == "lost"
    assert len(await told(scene, action="withdrawal.lost")) == VAIN_MAX
    assert len(await told(scene, action="answer.lost")) == 1
