"""Taking back what was asked: for operators and admins, once, and told as what it is."""

from __future__ import annotations

import asyncio

import pytest
from tests.commands.scene import ALICE, STRANGER, Scene
from tests.commands.test_answering import answer

from holdfast.commands import cancelling, withdrawing
from holdfast.core.errors import BadInput, Forbidden, NotFound
from holdfast.core.identity import Principal
from holdfast.core.interrupts import Approvers, Interrupt
from holdfast.protocol.frames import Answered, Cancel, Withdraw

OPERATOR = Principal("olga", roles=("operator",))
ADMIN = Principal("root", sessions=("*",), can=("admin",))


async def withdraw(
    scene: Scene, shown: Interrupt, *, by: Principal = OPERATOR, ref: str = "w1", reason: str | None = "sold out"
) -> Answered:
    return await withdrawing.withdraw(scene.backend, by, Withdraw(ref, shown.session, shown.id, reason), "test")


@pytest.mark.parametrize("by", [OPERATOR, ADMIN], ids=lambda by: by.subject)
async def test_it_closes_and_the_turn_goes_on(scene: Scene, by: Principal) -> None:
    shown = await scene.ask_and_wait()
    told = await withdraw(scene, shown, by=by)
    assert told.outcome == "won"
    assert told.decision is not None
    assert (told.decision.status, told.decision.payload, told.decision.by.id) == (
        "withdrawn",
        {"reason": "sold out"},
        by.subject,
    )
    assert (await scene.turn()).status == "ready"
    assert len(await scene.events("turn.resumed")) == 1
    [response, denied] = [event["chunk"] for event in (await scene.events("chunk"))[-2:]]
    assert (response["approved"], denied["type"], denied["reason"]) == (False, "tool-output-denied", "sold out")


@pytest.mark.parametrize("kind", ["approval", "gate", "question", "form", "client_tool", "in_doubt"])
async def test_every_kind_can_be_withdrawn_without_a_reason(scene: Scene, kind: str) -> None:
    shown = await scene.ask_and_wait(kind)  # type: ignore[arg-type]
    told = await withdraw(scene, shown, reason=None)
    assert told.decision is not None
    assert (told.decision.status, told.decision.payload) == ("withdrawn", None)


async def test_others_may_not(scene: Scene) -> None:
    shown = await scene.ask_and_wait(approvers=Approvers(subjects=("carol",)))
    before = await scene.fingerprint()
    for by, error in (
        (ALICE, Forbidden),
        (Principal("carol"), Forbidden),
        (STRANGER, NotFound),
        (Principal("root", can=("admin",)), NotFound),  # an admin of other sessions
    ):
        with pytest.raises(error):
            await withdraw(scene, shown, by=by)
    assert await scene.fingerprint() == before


async def test_the_same_ref_repeats_the_reply(scene: Scene) -> None:
    shown = await scene.ask_and_wait()
    first = await withdraw(scene, shown)
    before = await scene.fingerprint()
    assert await withdraw(scene, shown) == first
    assert await scene.fingerprint() == before


async def test_what_was_decided_stays_decided(scene: Scene) -> None:
    shown = await scene.ask_and_wait()
    won = await answer(scene, shown)
    before = await scene.fingerprint()
    lost = await withdraw(scene, shown)
    assert (lost.outcome, lost.decision) == ("lost", won.decision)
    assert await scene.fingerprint() == before


async def test_after_a_cancel_and_after_its_deadline_it_is_too_late(scene: Scene) -> None:
    first, second = await scene.ask(expires_in_ms=60_000), await scene.ask_and_wait()
    await scene.advance(60_000)
    late = await withdraw(scene, first)
    assert late.decision is not None
    assert (late.outcome, late.decision.status) == ("lost", "expired")
    await cancelling.cancel(scene.backend, ALICE, Cancel("c1", scene.session), "test")
    late = await withdraw(scene, second, ref="w2")
    assert late.decision is not None
    assert (late.outcome, late.decision.status) == ("lost", "cancelled")


async def test_of_answers_and_withdrawals_at_once_one_wins(scene: Scene) -> None:
    shown = await scene.ask_and_wait()
    replies = await asyncio.gather(
        *(answer(scene, shown, ref=f"a{n}") for n in range(10)),
        *(withdraw(scene, shown, ref=f"w{n}") for n in range(10)),
    )
    assert sorted(reply.outcome for reply in replies) == ["lost"] * 19 + ["won"]
    assert len({repr(reply.decision) for reply in replies}) == 1
    assert len(await scene.events("turn.resumed")) == 1


async def test_a_foreign_session_and_a_speech_are_refused(scene: Scene) -> None:
    shown = await scene.ask_and_wait()
    with pytest.raises(NotFound):
        await withdrawing.withdraw(scene.backend, OPERATOR, Withdraw("w", "another", shown.id), "test")
    with pytest.raises(BadInput, match="reason"):
        await withdraw(scene, shown, reason="x" * 4_001)
