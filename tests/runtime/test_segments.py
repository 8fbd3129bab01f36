"""Segments: what another framework did is recorded once; what its tools began when a worker died is never a guess."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from holdfast import App, Turn
from holdfast.core.operations import Operation
from holdfast.runtime.segments import Segment
from holdfast.runtime.stepping import Final
from holdfast.testing import harness, wait_until

OPERATOR = ("operator",)


class Scene:
    """One segment whose tools a test holds up, and the turn that runs it."""

    def __init__(self, *calls: str, known: tuple[str, ...] | None = None, idempotent: bool = False) -> None:
        self.calls, self.idempotent = calls, idempotent
        self.ran: list[str] = []
        self.models = 0
        #: In the place of what the calls are about.
        self.said: int | None = None
        self.holds: set[str] = set()
        self.fails: set[str] = set()
        self.running = asyncio.Event()
        self.app = App()

        @self.app.agent("a")
        async def agent(turn: Turn) -> Any:
            self.turn = turn
            return await turn.segment("framework", self.stream, known=known)

    async def stream(self, segment: Segment) -> AsyncIterator[Any]:
        said = await segment.step("model", self.model)
        yield f"{said} "
        gave = []
        for call in self.calls:
            gave.append(
                await segment.effect(
                    "pay",
                    call,
                    {"to": call} if self.said is None else {"to": self.said},
                    lambda call=call: self.pay(call),
                    idempotent=self.idempotent,
                )
            )
            yield f"{gave[-1]} "
        if "end" in self.holds:
            self.running.set()
            await asyncio.Event().wait()
        yield Final(gave)

    async def model(self) -> str:
        self.models += 1
        return f"said {self.models}"

    async def pay(self, call: str) -> str:
        self.ran.append(call)
        if call in self.fails:
            raise ValueError("no money")
        if call in self.holds:
            self.running.set()
            await asyncio.Event().wait()
        return f"paid {call}"


async def test_it_streams_and_gives_its_value_and_is_never_done_again(store_url: str) -> None:
    scene = Scene("one", "two")
    async with harness(scene.app, url=store_url) as h:
        session = await h.start("a", message="go")
        assert (await session.wait_finished()).result == ["paid one", "paid two"]
        assert await session.text() == "said 1 paid one paid two "


async def test_what_is_recorded_of_it_is_given_when_it_is_done_again(store_url: str) -> None:
    scene = Scene("one", "two")
    scene.holds = {"end"}
    async with harness(scene.app, url=store_url) as h:
        session = await h.start("a", message="go")
        await scene.running.wait()
        scene.holds.clear()
        await h.kill_worker()
        assert (await session.wait_finished()).result == ["paid one", "paid two"]
        assert await session.text() == "said 1 paid one paid two "
        assert (await session.state()).interrupts == {}
    assert (scene.ran, scene.models) == (["one", "two"], 1)


async def test_an_effect_under_way_is_in_doubt_and_its_result_is_the_operators(store_url: str) -> None:
    scene = Scene("one", "two")
    scene.holds = {"two"}
    async with harness(scene.app, url=store_url) as h:
        session = await h.start("a", message="go")
        await scene.running.wait()
        await h.kill_worker()
        doubt = await session.wait_interrupt(kind="in_doubt")
        assert (doubt.toolName, doubt.input) == ("pay", {"to": "two"})
        await session.answer(doubt, {"ran": True, "result": "by hand"}, roles=OPERATOR)
        assert (await session.wait_finished()).result == ["paid one", "by hand"]
    assert scene.ran == ["one", "two"]


async def test_an_effect_that_did_not_happen_is_begun_again_and_may_be_in_doubt_again(store_url: str) -> None:
    scene = Scene("one")
    scene.holds = {"one"}
    async with harness(scene.app, url=store_url) as h:
        session = await h.start("a", message="go")
        await scene.running.wait()
        await h.kill_worker()
        first = await session.wait_interrupt(kind="in_doubt")
        await session.wait_waiting()
        await session.answer(first, {"ran": False}, roles=OPERATOR)
        await wait_until(lambda: len(scene.ran) == 2, "it runs again")
        await h.kill_worker()
        second = await session.wait_interrupt(kind="in_doubt")
        assert second.id != first.id
        scene.holds.clear()
        await session.answer(second, {"ran": False}, roles=OPERATOR)
        assert (await session.wait_finished()).result == ["paid one"]
    assert scene.ran == ["one"] * 3


async def test_an_idempotent_effect_is_begun_again_without_asking(store_url: str) -> None:
    scene = Scene("one", idempotent=True)
    scene.holds = {"one"}
    async with harness(scene.app, url=store_url) as h:
        session = await h.start("a", message="go")
        await scene.running.wait()
        scene.holds.clear()
        await h.kill_worker()
        assert (await session.wait_finished()).result == ["paid one"]
        assert (await session.state()).interrupts == {}
    assert scene.ran == ["one", "one"]


async def test_effects_that_would_not_come_again_are_asked_about_as_a_whole(store_url: str) -> None:
    scene = Scene("one", "two", known=("one",))
    scene.holds = {"end"}
    async with harness(scene.app, url=store_url) as h:
        session = await h.start("a", message="go")
        await scene.running.wait()
        scene.holds.clear()
        await h.kill_worker()
        doubt = await session.wait_interrupt(kind="in_doubt")
        assert (doubt.toolName, doubt.input) == ("framework", {"calls": [{"tool": "pay", "input": {"to": "two"}}]})
        await session.answer(doubt, {"ran": False}, roles=OPERATOR)
        assert (await session.wait_finished()).result == ["paid one", "paid two"]
    assert scene.ran == ["one", "two"]


async def test_effects_that_stand_end_the_turn_as_failed_in_every_run(store_url: str) -> None:
    scene = Scene("one", known=())
    scene.holds = {"one"}
    async with harness(scene.app, url=store_url) as h:
        session = await h.start("a", message="go")
        await scene.running.wait()
        await h.kill_worker()
        doubt = await session.wait_interrupt(kind="in_doubt")
        await session.answer(doubt, {"ran": True}, roles=OPERATOR)
        turn = await session.wait_finished()
        assert turn.status == "finished"
        assert turn.error is not None
        assert "InDoubt: framework was begun by a worker that died" in turn.error["message"]
    assert scene.ran == ["one"]


async def test_a_worker_that_stops_lets_it_end_first_where_it_would_be_in_doubt(store_url: str) -> None:
    scene = Scene("one", known=())
    scene.holds = {"one"}
    release = asyncio.Event()

    async def pay(call: str) -> str:
        scene.ran.append(call)
        scene.running.set()
        await release.wait()
        return f"paid {call}"

    scene.pay = pay  # type: ignore[method-assign]
    async with harness(scene.app, url=store_url) as h:
        session = await h.start("a", message="go")
        await scene.running.wait()
        h._worker.stop()  # type: ignore[union-attr]
        release.set()
        assert (await session.wait_finished()).result == ["paid one"]
    assert scene.ran == ["one"]


async def test_the_same_call_with_other_arguments_is_no_replay(store_url: str) -> None:
    scene = Scene("one", "two")
    scene.holds = {"end"}
    async with harness(scene.app, url=store_url) as h:
        session = await h.start("a", message="go")
        await scene.running.wait()
        scene.holds, scene.said = set(), 2**60  # which no canonical form has room for
        await h.kill_worker()
        await session.wait_turn("blocked")
    assert scene.ran == ["one", "two"]


async def test_a_failure_is_recorded_with_what_ran(store_url: str) -> None:
    scene = Scene("one")
    scene.fails = {"one"}
    async with harness(scene.app, url=store_url) as h:
        session = await h.start("a", message="go")
        turn = await session.wait_finished()
        assert turn.error is not None
        assert turn.error["message"] == "ValueError: no money"
        operations = await h.door.operations(turn.id)
    [effect] = [one for key, one in operations.items() if key.startswith("stream:framework:1/tool:pay:one")]
    assert _ended(effect) == ("done", "failed", "no money")


async def test_cancelled_while_an_effect_runs_it_is_recorded_before_the_turn_ends(store_url: str) -> None:
    scene = Scene("one", "two")
    release = asyncio.Event()

    async def pay(call: str) -> str:
        scene.ran.append(call)
        scene.running.set()
        await release.wait()
        return f"paid {call}"

    scene.pay = pay  # type: ignore[method-assign]
    async with harness(scene.app, url=store_url) as h:
        session = await h.start("a", message="go")
        await scene.running.wait()
        await session.cancel()
        await wait_until(lambda: scene.turn.cancelled, "the worker knows")
        release.set()
        turn = await session.wait_finished()
        operations = await h.door.operations(turn.id)
    assert scene.ran == ["one"]
    assert [_ended(one) for one in operations.values() if one.kind == "tool"] == [("done", "done", None)]


def _ended(operation: Operation) -> tuple[str, str | None, str | None]:
    return operation.status, operation.outcome, operation.failure and operation.failure.message
