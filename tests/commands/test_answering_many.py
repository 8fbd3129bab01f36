"""Several answers in one command: each by itself."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.commands.scene import ALICE, BOB, STRANGER, Scene

from holdfast.commands import answering_many
from holdfast.commands.answering_many import ANSWERS_MAX
from holdfast.core.errors import LimitReached
from holdfast.core.identity import Principal
from holdfast.core.interrupts import Interrupt
from holdfast.protocol.frames import AnsweredMany, AnswerItem, AnswerMany

YES: dict[str, Any] = {"approved": True}


def item(shown: Interrupt, payload: Any = None, status: str = "resolved") -> AnswerItem:
    return AnswerItem(shown.session, shown.id, status, YES if payload is None else payload)


async def answer_many(scene: Scene, *items: AnswerItem, ref: str = "many", by: Principal = ALICE) -> AnsweredMany:
    return await answering_many.answer_many(scene.backend, by, AnswerMany(ref, list(items)), "test")


def told(reply: AnsweredMany) -> list[str]:
    return [result.outcome or result.error["code"] for result in reply.results if result.outcome or result.error]


async def test_each_is_answered_and_the_turn_goes_on_once(scene: Scene) -> None:
    first, second = await scene.ask(), await scene.ask_and_wait()
    reply = await answer_many(scene, item(first), item(second, {"approved": False}))
    assert told(reply) == ["won", "won"]
    assert [result.interrupt for result in reply.results] == [first.id, second.id]
    assert [result.decision.payload for result in reply.results if result.decision] == [YES, {"approved": False}]
    assert len(await scene.events("turn.resumed")) == 1


async def test_what_becomes_of_one_never_touches_its_siblings(scene: Scene) -> None:
    shown = [await scene.ask() for _ in range(4)]
    await scene.wait()
    reply = await answer_many(
        scene,
        item(shown[0], {"approved": "true"}),
        item(shown[1]),
        item(shown[2], status="perhaps"),
        AnswerItem(scene.session, "i_none." + scene.session, "resolved", YES),
        item(shown[1], {"approved": False}),
        AnswerItem("nowhere", shown[3].id, "resolved", YES),
        item(shown[3], {"reason": "no need"}, "cancelled"),
    )
    assert told(reply) == ["bad_input", "won", "bad_request", "not_found", "lost", "not_found", "won"]
    assert (await scene.turn()).open == (shown[0].id, shown[2].id)


async def test_over_several_sessions(scene: Scene) -> None:
    here = await scene.ask_and_wait()
    other = await Scene.begin(scene.backend, ref="start-2")
    there = await other.ask_and_wait()
    assert told(await answer_many(scene, item(there), item(here))) == ["won", "won"]
    assert {(await each.turn()).status for each in (scene, other)} == {"ready"}


async def test_repeating_the_ref_repeats_every_answer(scene: Scene) -> None:
    shown = [await scene.ask() for _ in range(2)]
    await scene.wait()
    items = [item(each) for each in shown]
    first = await answer_many(scene, *items)
    before = await scene.fingerprint()
    assert await answer_many(scene, *items) == first
    assert await scene.fingerprint() == before
    assert told(await answer_many(scene, *reversed(items))) == ["ref_reused", "ref_reused"]


async def test_a_long_ref_keeps_its_items_apart(scene: Scene) -> None:
    shown = [await scene.ask() for _ in range(2)]
    await scene.wait()
    assert told(await answer_many(scene, *(item(each) for each in shown), ref="r" * 128)) == ["won", "won"]


async def test_who_may_not_changes_nothing(scene: Scene) -> None:
    shown = await scene.ask_and_wait()
    before = await scene.fingerprint()
    for principal in (STRANGER, BOB):
        assert told(await answer_many(scene, item(shown), by=principal)) == ["not_found"]
    assert await scene.fingerprint() == before


async def test_two_bulk_answers_at_once_share_the_wins(scene: Scene) -> None:
    shown = [await scene.ask() for _ in range(5)]
    await scene.wait()
    replies = await asyncio.gather(
        answer_many(scene, *(item(each) for each in shown), ref="a"),
        answer_many(scene, *(item(each) for each in reversed(shown)), ref="b"),
    )
    assert sorted(told(replies[0]) + told(replies[1])) == ["lost"] * 5 + ["won"] * 5
    assert len(await scene.events("turn.resumed")) == 1


async def test_too_many_are_refused_whole(scene: Scene) -> None:
    shown = await scene.ask_and_wait()
    before = await scene.fingerprint()
    with pytest.raises(LimitReached):
        await answer_many(scene, *[item(shown)] * (ANSWERS_MAX + 1))
    assert await scene.fingerprint() == before
