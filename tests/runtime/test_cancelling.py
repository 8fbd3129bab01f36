"""Cancelling, while it waits, runs, streams, and at awkward moments: the turn ends, and has no effects."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.runtime.tools import free, gated

from holdfast import App, Call, Turn, tool
from holdfast.core.commit import Commit
from holdfast.core.turns import TurnRecord
from holdfast.store.manifests import SERVED_MS
from holdfast.testing import Harness, TestSession, harness, wait_for, wait_until


@tool(approval=False)
async def undo() -> str:
    return "undone"


async def record_of(h: Harness, session: TestSession) -> TurnRecord:
    own_id = list((await session.state()).turns)[-1]
    return (await h.door.read(session.id, turns=(own_id,))).turns[own_id]


def tasks_of_functions() -> list[str]:
    return [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("turn ")]


async def test_cancel_while_waiting_closes_the_card(store_url: str) -> None:
    app = App()

    @app.agent("a", tools=[gated])
    async def agent(turn: Turn) -> str:
        return (await turn.call(gated, "x")).status

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        ask = await session.wait_interrupt(tool=gated)
        await session.wait_waiting()
        await session.cancel(by="bob")
        turn = await session.wait_finished()
        assert turn.end == "cancelled"
        late = await session.approve(ask)
        assert late.outcome == "lost"
        assert late.decision is not None
        assert late.decision.status == "cancelled"
        assert h.executions(gated) == 0


async def test_cancel_while_running_records_what_is_under_way(store_url: str) -> None:
    app, inside, go = App(), asyncio.Event(), asyncio.Event()

    @tool(approval=False)
    async def slow(call: Call[Any]) -> str:
        inside.set()
        await go.wait()
        return f"cancelled: {call.cancelled}"

    @app.agent("a", tools=[slow, free])
    async def agent(turn: Turn) -> None:
        await turn.call(slow)
        await turn.call(free, "never")

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        await inside.wait()
        await session.cancel()
        run = next(iter(h._worker._runs.values()))  # type: ignore[union-attr]
        await wait_until(lambda: run._writer.turn.cancel is not None, "the worker knows")  # type: ignore[union-attr]
        go.set()
        turn = await session.wait_finished()
        assert turn.end == "cancelled"
        assert h.executions(free) == 0
        part = next(p for m in (await session.state()).ordered for p in m.message.parts if p["type"] == "tool-slow")
        assert part["output"] == "cancelled: True"


async def test_cancel_stops_a_stream(store_url: str) -> None:
    app, closed, first = App(), asyncio.Event(), asyncio.Event()

    async def model() -> Any:
        try:
            yield "Once "
            first.set()
            await asyncio.get_running_loop().create_future()
        finally:
            closed.set()

    @app.agent("a")
    async def agent(turn: Turn) -> None:
        await turn.stream("model", model)

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        await first.wait()
        await session.cancel()
        await asyncio.wait_for(closed.wait(), 1)
        assert (await session.wait_finished()).end == "cancelled"
        assert await session.text() == "Once "


async def test_code_that_swallows_the_cancellation_changes_nothing(store_url: str) -> None:
    app = App()

    @app.agent("a", tools=[gated, free])
    async def agent(turn: Turn) -> str:
        try:
            result = await turn.call(gated, "x")
        except BaseException:  # noqa: BLE001 - as careless code does
            await turn.write("swallowed")
            return "swallowed"
        finally:
            await turn.write("")
        return result.status

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        ask = await session.wait_interrupt(tool=gated)
        await session.wait_waiting()
        await session.approve(ask)
        turn = await session.wait_finished()
        assert (turn.end, turn.result) == ("completed", "done")
        assert await session.text() == ""


async def test_a_turn_cancelled_while_its_function_unwinds_does_not_wait(store_url: str) -> None:
    app, unwinding, go = App(), asyncio.Event(), asyncio.Event()

    @app.agent("a")
    async def agent(turn: Turn) -> None:
        try:
            await turn.ask("Sure?")
        finally:
            unwinding.set()
            await go.wait()

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        await unwinding.wait()
        await session.cancel()
        go.set()
        assert (await session.wait_finished()).end == "cancelled"


async def test_a_cancel_that_meets_the_wait_ends_the_turn(store_url: str) -> None:
    app, ids = App(), list[str]()

    @app.agent("a")
    async def agent(turn: Turn) -> None:
        await turn.ask("Sure?")

    async with harness(app, url=store_url) as h:
        real = h.door.commit

        async def commit(commit: Commit) -> Any:
            if commit.label == "wait" and not ids:
                ids.append(commit.session)
                await TestSession(h, commit.session).cancel()
            return await real(commit)

        h.door.commit = commit  # type: ignore[method-assign]
        session = await h.start("a", message="go")
        assert (await session.wait_finished()).end == "cancelled"


async def test_a_body_that_asks_ends_with_its_cancelled_turn(store_url: str) -> None:
    app, started, go = App(), asyncio.Event(), asyncio.Event()

    @tool(approval=False)
    async def asking(call: Call[Any]) -> str:
        await call.ask("Sure?")
        return "x"

    async def slow() -> None:
        started.set()
        await go.wait()

    @app.agent("a", tools=[asking])
    async def agent(turn: Turn) -> None:
        await turn.all(turn.call(asking), turn.step("slow", slow))

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        await started.wait()
        await session.wait_interrupt()
        await session.cancel()
        go.set()
        assert (await session.wait_finished()).end == "cancelled"


async def test_a_blocked_turn_that_was_asked_to_stop_can_be_cancelled(store_url: str) -> None:
    app, started = App(), asyncio.Event()

    async def slow() -> None:
        started.set()
        await asyncio.Event().wait()

    async def nobody(_queue: str) -> bool:
        return False

    @app.agent("a")
    async def agent(turn: Turn) -> None:
        await turn.step("slow", slow)

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        await started.wait()
        await session.cancel()
        await h.kill_worker(restart=False)
        await h.advance(f"{SERVED_MS + 1_000} ms")
        h.manifests.is_served = nobody  # type: ignore[method-assign]
        await h.sweeper.block_unserved()
        await session.wait_turn("blocked")
        await session.cancel()
        assert (await session.wait_finished()).end == "cancelled"


async def test_nothing_happens_after_a_cancellation_that_was_swallowed(store_url: str) -> None:
    app, ran = App(), list[str]()

    async def clean() -> None:
        ran.append("clean")

    @app.agent("a", tools=[undo])
    async def agent(turn: Turn) -> str:
        try:
            await turn.ask("Sure?")
        except asyncio.CancelledError:
            await turn.step("clean", clean)
            await turn.call(undo)
            raise
        return "done"

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        ask = await session.wait_interrupt()
        await session.wait_waiting()
        assert sorted(await h.door.operations(ask.turn)) == ["ask:question:1"]
        await session.answer(ask, {"text": "yes"})
        assert (await session.wait_finished()).result == "done"
        assert (ran, h.executions(undo)) == ([], 0)


async def test_an_operation_in_a_finally_block_leaves_no_task_behind(store_url: str) -> None:
    app, started, go = App(), asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        started.set()
        await go.wait()

    @app.agent("a")
    async def agent(turn: Turn) -> None:
        try:
            await turn.step("slow", slow)
            await turn.ask("Sure?")
        finally:
            await turn.step("clean", lambda: None)

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        await started.wait()
        await session.cancel()
        go.set()

        async def ended() -> bool | None:
            return (await record_of(h, session)).status == "finished" or None

        await wait_for(ended, "the turn ended without waiting for the function to unwind", 3)
        await wait_until(lambda: not tasks_of_functions(), "no function is left", 1)


async def test_what_is_written_while_unwinding_is_not_streamed(store_url: str) -> None:
    app, begun, chunks = App(), asyncio.Event(), list[dict[str, Any]]()

    @app.agent("a")
    async def agent(turn: Turn) -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            await turn.write("bye")

    async with harness(app, url=store_url) as h:
        real = h.door.commit

        async def commit(commit: Commit) -> Any:
            chunks.extend(event.chunk for event in commit.events if type(event).__name__ == "ChunkWritten")
            return await real(commit)

        h.door.commit = commit  # type: ignore[method-assign]
        session = await h.start("a", message="go")
        await begun.wait()
        await session.cancel()
        await session.wait_finished()
        assert chunks == []
