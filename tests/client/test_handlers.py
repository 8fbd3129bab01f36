"""Handlers of client tools on devices in Python: a real server, a real store, the worker's part played by hand."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.commands.scene import ALICE, Scene
from tests.gateways.server import Running, running
from tests.waiting import wait_until

from holdfast import client
from holdfast.client import Client, ToolCall
from holdfast.client.reconnecting import Waits
from holdfast.core.claiming import GRACE_MS
from holdfast.core.interrupts import Decision, Interrupt, InterruptRecord
from holdfast.runtime.sweeper import Sweeper
from holdfast.store.connection import Connection


@pytest.fixture
async def server(store_url: str, connection: Connection) -> AsyncIterator[Running]:
    async with running(store_url, connection) as started:
        yield started


@pytest.fixture
async def scene(server: Running) -> Scene:
    return await Scene.begin(server.backend, ALICE)


def device(server: Running, subject: str = "alice") -> Client:
    return client.connect(f"http://127.0.0.1:{server.port}", token=subject, waits=Waits(0.01, 0.05))


async def record(scene: Scene, shown: Interrupt) -> InterruptRecord:
    return (await scene.backend.door.read(scene.session, interrupts=(shown.id,))).interrupts[shown.id]


async def decided(scene: Scene, shown: Interrupt) -> Decision:
    async def closed() -> bool:
        return (await record(scene, shown)).decision is not None

    await wait_until(closed, "the call is answered")
    decision = (await record(scene, shown)).decision
    assert decision is not None
    return decision


class Working:
    """A handler that works until it is let."""

    def __init__(self, output: Any) -> None:
        self.output = output
        self.calls: list[ToolCall] = []
        self.cancelled = 0
        self.go_on = asyncio.Event()

    async def __call__(self, input: Any, call: ToolCall) -> Any:
        self.calls.append(call)
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return self.output

    async def begun(self, times: int = 1) -> None:
        await wait_until(lambda: len(self.calls) == times, f"the handler was begun {times} times")


@pytest.mark.parametrize("output", [None, 0, False, "", {"lat": 1.5}, [1, None]], ids=str)
async def test_what_a_handler_returns_is_the_output(server: Running, scene: Scene, output: Any) -> None:
    seen: list[tuple[Any, str, str, bool]] = []

    def handler(input: Any, call: ToolCall) -> Any:
        seen.append((input, call.tool, call.id, threading.current_thread() is threading.main_thread()))
        return output

    async with device(server) as phone:
        phone.handle("refund", handler)
        await phone.session(scene.session).attach()
        shown = await scene.ask_and_wait("client_tool")
        assert (await decided(scene, shown)).payload == {"output": output}
        assert seen == [({"amount": 200}, "refund", shown.toolCallId, False)]


async def test_what_it_raises_is_the_error(server: Running, scene: Scene) -> None:
    async def handler(_: Any, __: ToolCall) -> Any:
        raise ValueError("no GPS")

    async with device(server) as phone:
        phone.handle("refund", handler)
        await phone.session(scene.session).attach()
        shown = await scene.ask_and_wait("client_tool")
        assert (await decided(scene, shown)).payload == {"error": "no GPS"}


async def test_an_output_that_does_not_fit_is_an_error_for_the_agent(server: Running, scene: Scene) -> None:
    async with device(server) as phone:
        for tool, output in (("refund", "ten"), ("*", object())):
            off = phone.handle(tool, lambda *_, output=output: output)
            await phone.session(scene.session).attach()
            shown = await scene.ask("client_tool", responseSchema={"type": "integer"})
            payload = (await decided(scene, shown)).payload
            assert list(payload) == ["error"]
            off()


async def test_without_a_handler_it_stays_listed_and_one_that_comes_later_runs_it(
    server: Running, scene: Scene
) -> None:
    async with device(server) as phone:
        session = phone.session(scene.session)
        await session.attach()
        phone.handle("something else", lambda *_: 0)
        off = phone.handle("*", lambda *_: "too late")
        off()
        shown = await scene.ask_and_wait("client_tool")
        assert (await session.wait_interrupt(tool="refund")).claim is None
        off = phone.handle("*", lambda *_: "done")
        off()  # what runs comes to its end
        assert (await decided(scene, shown)).payload == {"output": "done"}


async def test_of_two_devices_of_one_person_one_does_it(server: Running, scene: Scene) -> None:
    async with device(server) as phone, device(server) as laptop:
        works = [Working("phone"), Working("laptop")]
        for one, handler in zip((phone, laptop), works, strict=True):
            one.handle("refund", handler)
            await one.session(scene.session).attach()
        asked = [await scene.ask("client_tool") for _ in range(3)]
        await wait_until(lambda: sum(len(work.calls) for work in works) == 3, "each call was begun")
        for work in works:
            work.go_on.set()
        for shown in asked:
            claim = (await record(scene, shown)).interrupt.claim
            payload = (await decided(scene, shown)).payload
            [by] = [work for work in works if shown.id in [call.interrupt.id for call in work.calls]]
            assert payload == {"output": by.output}
            assert claim is not None
        assert sum(len(work.calls) for work in works) == 3


async def test_another_takes_over_when_the_first_is_gone(server: Running, scene: Scene) -> None:
    first, second = Working("first"), Working("second")
    async with device(server) as laptop:
        async with device(server) as phone:
            phone.handle("refund", first)
            await phone.session(scene.session).attach()
            shown = await scene.ask_and_wait("client_tool")
            await first.begun()
            laptop.handle("refund", second)
            await laptop.session(scene.session).attach()
            held = (await record(scene, shown)).interrupt.claim
            assert held is not None
        assert first.cancelled == 1
        assert second.calls == []

        async def shortened() -> bool:
            now = (await record(scene, shown)).interrupt.claim
            return now is not None and now.until < held.until

        await wait_until(shortened, "the claim is to end soon")
        await scene.advance(GRACE_MS)
        await Sweeper(server.backend).sweep()
        await second.begun()
        assert [call.id for call in second.calls] == [first.calls[0].id]
        second.go_on.set()
        assert (await decided(scene, shown)).payload == {"output": "second"}


async def test_what_is_settled_elsewhere_is_stopped(server: Running, scene: Scene) -> None:
    work = Working("mine")
    async with device(server) as phone, device(server) as laptop:
        phone.handle("refund", work)
        await phone.session(scene.session).attach()
        shown = await scene.ask_and_wait("client_tool")
        await work.begun()
        assert (await laptop.session(scene.session).answer(shown.id, payload={"output": "by hand"})).outcome == "won"
        await wait_until(lambda: work.cancelled == 1, "the handler is stopped")
        assert (await decided(scene, shown)).payload == {"output": "by hand"}


async def test_how_far_it_is_is_told_to_all(server: Running, scene: Scene) -> None:
    work = Working("done")
    async with device(server) as phone, device(server) as laptop:
        phone.handle("refund", work)
        await phone.session(scene.session).attach()
        watching = laptop.session(scene.session)
        await watching.attach()
        shown = await scene.ask_and_wait("client_tool")
        await work.begun()
        for percent in (1, 2, 99):
            work.calls[0].progress({"percent": percent})
        progress = await watching.wait_for(lambda state: state.interrupts[shown.id].get("progress"))
        assert progress == {"percent": 99}  # the last of those that were said at once
        work.go_on.set()
        assert (await decided(scene, shown)).payload == {"output": "done"}


async def test_a_device_that_comes_back_goes_on_and_does_nothing_twice(server: Running, scene: Scene) -> None:
    work, other = Working("first"), Working("second")
    async with device(server) as phone, device(server) as laptop:
        phone.handle("refund", work)
        await phone.session(scene.session).attach()
        shown = await scene.ask_and_wait("client_tool")
        await work.begun()
        laptop.handle("refund", other)
        await laptop.session(scene.session).attach()
        before = (await record(scene, shown)).interrupt.claim
        assert before is not None
        assert phone.welcome is not None
        server.cut(phone.welcome.connection)

        async def renewed() -> bool:
            now = (await record(scene, shown)).interrupt.claim
            return now is not None and now.connection != before.connection

        # Not merely with its next renewal, which comes after 10 s: by then another would have it.
        await wait_until(renewed, "the device is back, and has claimed it over its new connection", timeout=5)
        await scene.advance(GRACE_MS)
        await Sweeper(server.backend).sweep()
        work.go_on.set()
        assert (await decided(scene, shown)).payload == {"output": "first"}
        await phone.session(scene.session).attach()  # a snapshot that shows it
        assert (len(work.calls), work.cancelled, other.calls) == (1, 0, [])


async def test_one_continues(server: Running, scene: Scene) -> None:
    async with device(server) as phone, device(server) as laptop:
        shown = await scene.ask_and_wait("client_tool", autoContinue=False)
        await phone.session(scene.session).answer(shown.id, payload={"output": None})
        replies = [await one.session(scene.session).continue_turn(scene.turn_id) for one in (phone, laptop)]
        assert [reply.outcome for reply in replies] == ["won", "lost"]
