"""Feedback: kept with its session, shown to who may read, told with what it is about."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.commands.scene import ALICE, BOB, STRANGER, Scene
from tests.commands.test_answering import answer

from holdfast.commands import deleting, feedback, membership
from holdfast.core.errors import BadInput, Gone, NotFound
from holdfast.core.feedback import Target
from holdfast.core.identity import Principal
from holdfast.protocol.frames import Feedback


async def give(scene: Scene, target: Target, *, by: Principal = ALICE, ref: str = "f1", **said: Any) -> None:
    said = {"score": 1.0} | said
    await feedback.give(scene.backend, by, Feedback(ref, scene.session, target, **said), "test")


async def test_it_is_given_once_and_comes_with_what_it_is_about(scene: Scene) -> None:
    shown = await scene.ask_and_wait()
    await answer(scene, shown, {"approved": False, "reason": "too much"})
    for _ in range(2):
        await give(scene, Target(interrupt=shown.id), score=-1.0, correction={"amount": 40})
    page = await feedback.read(scene.backend, ALICE, scene.session, context=True)
    [told] = page.feedback
    assert (told.by.id, told.score, told.correction) == ("alice", -1.0, {"amount": 40})
    assert told.context is not None
    assert (told.context.tool, told.context.input) == ("refund", {"amount": 200})
    assert told.context.decision is not None
    assert told.context.decision.body["reason"] == "too much"
    assert told.context.messages[0]["parts"][0]["text"] == "Refund A-17"


async def test_an_operation_and_a_message(scene: Scene) -> None:
    shown = await scene.ask_and_wait()
    [message] = {event["message"]["id"] for event in await scene.events("message")}
    await give(scene, Target(operation=f"{shown.turn}/tool:refund:1"), ref="f1")
    await give(scene, Target(message=message), ref="f2", labels=("clear",))
    first, second = (await feedback.read(scene.backend, ALICE, scene.session, context=True)).feedback
    assert first.context is not None
    assert second.context is not None
    assert (first.context.tool, first.context.input) == ("refund", {"amount": 200})
    assert [one["id"] for one in second.context.messages] == [message]


async def test_of_many_at_once_none_is_lost(scene: Scene) -> None:
    await asyncio.gather(*(give(scene, Target(f"m_{n}"), ref=f"f{n}") for n in range(4)))
    assert len((await feedback.read(scene.backend, ALICE, scene.session)).feedback) == 4


async def test_who_may_and_about_what(scene: Scene) -> None:
    with pytest.raises(NotFound):
        await give(scene, Target("m"), by=STRANGER)
    with pytest.raises(NotFound):
        await feedback.read(scene.backend, STRANGER, scene.session)
    for target in (Target(interrupt=f"i_x.{scene.session}"), Target(operation=f"t_x.{scene.session}/tool:a:1")):
        with pytest.raises(NotFound):
            await give(scene, target)
    with pytest.raises(BadInput):
        await give(scene, Target())
    await membership.put_member(scene.backend, ALICE, scene.session, "bob", "m1")
    await give(scene, Target("m"), by=BOB)
    assert [one.by.id for one in (await feedback.read(scene.backend, ALICE, scene.session)).feedback] == ["bob"]


async def test_it_goes_with_its_session(scene: Scene) -> None:
    await give(scene, Target("m"))
    await deleting.delete(scene.backend, ALICE, scene.session, "d1", "test")
    with pytest.raises(Gone):
        await feedback.read(scene.backend, ALICE, scene.session)
