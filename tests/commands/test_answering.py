"""One decision, whoever asks and how often (promises 1, 2, 4, 7)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.commands.scene import ALICE, BOB, STRANGER, Scene

from holdfast.commands import answering, cancelling, membership
from holdfast.commands.backend import Backend
from holdfast.core.errors import BadInput, Forbidden, NotFound, RefReused
from holdfast.core.identity import Principal
from holdfast.core.interrupts import Approvers, Interrupt
from holdfast.protocol.frames import Answer, Answered, Cancel


async def answer(
    scene: Scene,
    shown: Interrupt,
    payload: Any = None,
    *,
    by: Principal = ALICE,
    ref: str = "a1",
    status: str = "resolved",
) -> Answered:
    payload = {"approved": True} if payload is None else payload
    frame = Answer(ref, scene.session, shown.id, status, payload)  # type: ignore[arg-type]
    return await answering.answer(scene.backend, by, frame, "test")


async def test_the_first_answer_wins_and_carries_the_turn_on(scene: Scene) -> None:
    shown = await scene.ask_and_wait()
    answered = await answer(scene, shown)
    assert answered.outcome == "won"
    assert answered.decision is not None
    assert answered.decision.by.id == "alice"
    assert answered.decision.via == "test"
    assert (await scene.turn()).status == "ready"
    assert len(await scene.events("turn.resumed")) == 1


async def test_of_twenty_answers_at_once_one_wins(scene: Scene) -> None:
    shown = await scene.ask_and_wait()
    calls = [answer(scene, shown, {"approved": index % 2 == 0}, ref=f"a{index}") for index in range(20)]
    replies = await asyncio.gather(*calls)
    assert sorted(reply.outcome for reply in replies) == ["lost"] * 19 + ["won"]
    assert all(reply.decision == replies[0].decision for reply in replies)
    assert scene.backend.door.conflicts > 0
    assert len(await scene.events("interrupt.closed")) == 1
    assert len(await scene.events("turn.resumed")) == 1


async def test_the_last_two_answers_at_once_carry_the_turn_on_once(scene: Scene) -> None:
    first, second = await scene.ask(), await scene.ask_and_wait()
    replies = await asyncio.gather(answer(scene, first, ref="a1"), answer(scene, second, ref="a2"))
    assert [reply.outcome for reply in replies] == ["won", "won"]
    assert (await scene.turn()).open == ()
    assert len(await scene.events("turn.resumed")) == 1


async def test_a_repeated_ref_repeats_the_reply_and_not_the_effect(scene: Scene) -> None:
    shown = await scene.ask_and_wait()
    first = await answer(scene, shown)
    before = await scene.fingerprint()
    assert await answer(scene, shown) == first
    assert await scene.fingerprint() == before


async def test_a_ref_with_another_body_is_refused(scene: Scene) -> None:
    shown = await scene.ask_and_wait()
    await answer(scene, shown)
    with pytest.raises(RefReused):
        await answer(scene, shown, {"approved": False})


async def test_the_same_ref_of_another_person_is_another_command(scene: Scene) -> None:
    shown = await scene.ask_and_wait()
    await membership.put_member(scene.backend, ALICE, scene.session, "bob", "m1")
    await answer(scene, shown)
    assert (await answer(scene, shown, by=BOB)).outcome == "lost"


@pytest.mark.parametrize(
    "payload",
    [
        {"approved": "true"},
        {"approved": 1},
        {"approved": None},
        {"approved": []},
        {},
        {"reason": "yes"},
        {"approved": True, "approve": True},
        {"approved": True, "input": {"amount": 1}},
        "approved",
        True,
    ],
    ids=str,
)
async def test_only_true_approves_and_what_is_malformed_changes_nothing(scene: Scene, payload: Any) -> None:
    shown = await scene.ask_and_wait()
    before = await scene.fingerprint()
    with pytest.raises(BadInput):
        await answer(scene, shown, payload)
    assert await scene.fingerprint() == before


async def test_a_foreign_interrupt_looks_as_if_it_did_not_exist(scene: Scene) -> None:
    shown = await scene.ask_and_wait()
    with pytest.raises(NotFound) as foreign:
        await answer(scene, shown, by=STRANGER)
    missing = Interrupt(f"i_none.{scene.session}", "approval", scene.session, scene.turn_id, "tool_call")
    with pytest.raises(NotFound) as absent:
        await answer(scene, missing, by=STRANGER)
    told = (foreign.value.message, foreign.value.details)
    assert told == (absent.value.message, absent.value.details)
    frame = Answer("a1", "nowhere", "i_none.nowhere", "resolved", {"approved": True})
    with pytest.raises(NotFound) as nowhere:
        await answering.answer(scene.backend, STRANGER, frame, "test")
    assert told == (nowhere.value.message, nowhere.value.details)


async def test_an_interrupt_of_another_session_is_not_found(scene: Scene) -> None:
    shown = await scene.ask_and_wait()
    other = await Scene.begin(scene.backend, ref="start-2")
    frame = Answer("a1", other.session, shown.id, "resolved", {"approved": True})
    with pytest.raises(NotFound):
        await answering.answer(scene.backend, ALICE, frame, "test")


async def test_a_member_who_is_not_an_approver_is_refused(scene: Scene) -> None:
    shown = await scene.ask_and_wait(approvers=Approvers(roles=("manager",)))
    with pytest.raises(Forbidden):
        await answer(scene, shown)
    manager = Principal("meg", roles=("manager",))
    assert (await answer(scene, shown, by=manager)).outcome == "won"


async def test_a_late_answer_meets_the_decision_and_changes_nothing(scene: Scene) -> None:
    shown = await scene.ask_and_wait()
    won = await answer(scene, shown)
    before = await scene.fingerprint()
    late = await answer(scene, shown, {"approved": False}, ref="late")
    assert (late.outcome, late.decision) == ("lost", won.decision)
    assert await scene.fingerprint() == before


async def test_an_answer_after_a_cancel_meets_the_cancel(scene: Scene) -> None:
    shown = await scene.ask_and_wait()
    await cancelling.cancel(scene.backend, ALICE, Cancel("c1", scene.session), "test")
    before = await scene.fingerprint()
    late = await answer(scene, shown)
    assert late.outcome == "lost"
    assert late.decision is not None
    assert late.decision.status == "cancelled"
    assert await scene.fingerprint() == before


async def test_an_overdue_interrupt_expires_first(scene: Scene) -> None:
    shown = await scene.ask_and_wait(expires_in_ms=60_000)
    await scene.advance(60_000)
    late = await answer(scene, shown)
    assert late.outcome == "lost"
    assert late.decision is not None
    assert (late.decision.status, late.decision.by.kind) == ("expired", "deadline")
    assert (await scene.turn()).status == "ready"
    assert len(await scene.events("turn.resumed")) == 1


async def test_a_deadline_that_has_not_come_leaves_the_answer_its_win(scene: Scene) -> None:
    shown = await scene.ask_and_wait(expires_in_ms=60_000)
    await scene.advance(50_000)
    assert (await answer(scene, shown)).outcome == "won"


async def test_where_clocks_differ_the_store_says_what_is_overdue(scene: Scene) -> None:
    shown = await scene.ask_and_wait(expires_in_ms=60_000)
    keys, connection = scene.backend.door.keys, scene.backend.door.connection
    deadlines = keys.deadlines(keys.partition(scene.session))
    later = (await scene.backend.door.read(scene.session)).now_ms + 600_000
    await connection.execute("ZADD", deadlines, later, f"expire {shown.id}")
    await scene.advance(60_000)
    assert (await answer(scene, shown)).outcome == "won"


async def test_cancelled_settles_one_call_only(scene: Scene) -> None:
    first, second = await scene.ask(), await scene.ask_and_wait()
    answered = await answer(scene, first, {}, status="cancelled")
    assert answered.decision is not None
    assert answered.decision.status == "cancelled"
    assert (await scene.turn()).open == (second.id,)


async def test_an_answer_that_comes_before_the_worker_lets_go_is_not_lost(scene: Scene) -> None:
    shown = await scene.ask()
    assert (await answer(scene, shown)).outcome == "won"
    await scene.wait()
    assert (await scene.turn()).status == "running"
    assert len(await scene.events("turn.resumed")) == 1


async def test_what_canonical_json_cannot_say_is_refused(backend: Backend, scene: Scene) -> None:
    shown = await scene.ask_and_wait(kind="client_tool")
    with pytest.raises(BadInput) as refused:
        await answer(scene, shown, {"output": 2**60})
    assert refused.value.details["path"] == "$.payload.output"
