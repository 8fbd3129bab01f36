"""The body of a tool: what its retries repeat, what its errors become, and what it shares with its turn."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

from holdfast import App, Call, StepFailed, Turn, tool
from holdfast.testing import TestSession, harness, wait_for, wait_until


async def test_retries_do_not_repeat_a_recorded_step(store_url: str) -> None:
    app, charged = App(), list[int]()

    @tool(approval=False, retries=1)
    async def pay(call: Call[Any]) -> str:
        await call.step("charge", lambda: charged.append(1))
        if h.executions(pay) == 1:
            raise ConnectionError("the receipt service is down")
        return "paid"

    @app.agent("a", tools=[pay])
    async def agent(turn: Turn) -> str:
        return (await turn.call(pay)).status

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        assert (await session.wait_finished()).result == "done"
        assert (h.executions(pay), len(charged)) == (2, 1)


async def test_retries_do_not_ask_again(store_url: str) -> None:
    app, answers = App(), list[str]()

    @tool(approval=False, retries=1)
    async def pay(call: Call[Any]) -> str:
        answers.append((await call.ask("Which account?")).status)
        if len(answers) == 1:
            raise ConnectionError("down")
        return "paid"

    @app.agent("a", tools=[pay])
    async def agent(turn: Turn) -> str:
        return (await turn.call(pay)).status

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        await session.answer(await session.wait_interrupt(), {"text": "1"})
        assert (await session.wait_finished()).result == "done"
        assert (answers, len((await session.state()).interrupts)) == (["done", "done"], 1)


async def test_bad_arguments_are_recorded_for_the_replay(store_url: str) -> None:
    app = App()

    @tool(approval=False)
    async def pay(amount: int) -> str:
        return "paid"

    @app.agent("a", tools=[pay])
    async def agent(turn: Turn) -> str:
        tried = await turn.call(pay, amount="many")  # type: ignore[arg-type]
        return (await turn.ask(f"{tried.reason}: how many?")).status

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        ask = await session.wait_interrupt()
        await session.wait_waiting()
        await session.answer(ask, {"text": "3"})
        assert (await session.wait_finished()).result == "done"


async def cancelled_by_a_library() -> str:
    inner = asyncio.create_task(asyncio.Event().wait())
    inner.cancel()
    await inner
    return "never"


async def test_a_cancellation_of_a_tools_own_is_its_failure(store_url: str) -> None:
    app = App()

    @tool(approval=False)
    async def pay() -> str:
        return await cancelled_by_a_library()

    @app.agent("a", tools=[pay])
    async def agent(turn: Turn) -> list[Any]:
        try:
            await turn.step("own", cancelled_by_a_library)
        except StepFailed as failed:
            return [(await turn.call(pay)).status, failed.type]
        return []

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        assert (await session.wait_finished()).result == ["failed", "CancelledError"]


async def test_a_tool_is_not_tried_again_without_a_lease(store_url: str) -> None:
    app, tried = App(), list[int]()

    @tool(approval=False, retries=3)
    async def pay() -> str:
        tried.append(1)
        if len(tried) == 1:
            time.sleep(0.4)  # noqa: ASYNC251 - the process is frozen for longer than its lease
        raise ConnectionError

    @app.agent("a", tools=[pay])
    async def agent(turn: Turn) -> str:
        return (await turn.call(pay)).status

    async with harness(app, lease_ms=300, url=store_url) as h:
        await h.start("a", message="go")
        await wait_until(lambda: bool(tried), "the tool was tried")
        await wait_until(lambda: not h._worker._runs, "the run gave up")  # type: ignore[union-attr]
        assert len(tried) == 1


async def test_a_failure_of_any_size_is_a_result(store_url: str) -> None:
    app = App()

    @tool(approval=False)
    async def pay() -> str:
        raise ValueError("x" * 300_000)

    @app.agent("a", tools=[pay])
    async def agent(turn: Turn) -> str:
        return (await turn.call(pay)).status

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        assert (await session.wait_finished()).result == "failed"


async def test_a_thread_that_is_out_of_time_is_not_joined_by_a_second_one(store_url: str) -> None:
    app, go = App(), threading.Event()

    @tool(approval=False, retries=2, timeout="0.05 s")
    def pay() -> str:
        go.wait(5)
        return "paid"

    @app.agent("a", tools=[pay])
    async def agent(turn: Turn) -> list[str | None]:
        result = await turn.call(pay)
        return [result.status, result.reason]

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        turn = await session.wait_finished()
        go.set()
        assert turn.result == ["failed", "TimeoutError: it took longer than 50 ms; it may still be running"]
        assert h.executions(pay) == 1


async def test_what_an_author_does_to_a_message_stays_in_the_turn(store_url: str) -> None:
    app, seen = App(), list[list[str]]()

    @app.agent("a")
    async def agent(turn: Turn) -> None:
        seen.append([message.text for message in turn.history])
        turn.message.parts.append({"type": "text", "text": " and a prompt of the author's"})
        await turn.write("hi")

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="x")
        await session.wait_finished()
        await session.send("y")
        await wait_until(lambda: len(seen) == 2, "the second turn ran")
        assert seen[1] == ["x", "hi"]


async def endless() -> Any:
    yield "y" * 300_000


async def cyclic(turn: Turn) -> Any:
    result: list[Any] = []
    result.append(result)
    return result


async def large_result(turn: Turn) -> str:
    return "y" * 300_000


async def large_chunk(turn: Turn) -> None:
    await turn.data("report", "y" * 300_000)


async def large_chunk_and_more(turn: Turn) -> None:
    await turn.data("report", "y" * 300_000)
    await asyncio.Event().wait()


async def large_piece(turn: Turn) -> None:
    await turn.stream("model", endless)


async def unencodable_chunk(turn: Turn) -> None:
    await turn.data("report", object())
    await turn.write("x")


@pytest.mark.parametrize(
    "function",
    [cyclic, large_result, large_chunk, large_chunk_and_more, large_piece, unencodable_chunk],
)
async def test_what_cannot_be_recorded_fails_its_turn_at_once(store_url: str, function: Any) -> None:
    app = App()
    app.add_agent("a", function)
    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        assert (await session.wait_finished()).end == "failed"


async def test_a_message_too_long_to_be_taken_back_parks_its_turn(store_url: str) -> None:
    app, reached, runs = App(), asyncio.Event(), list[int]()

    @app.agent("a")
    async def agent(turn: Turn) -> str:
        runs.append(1)
        for _ in range(20):
            await turn.write("z" * 15_000)
        await turn.step("one", lambda: 1)
        await turn.write("more")
        if len(runs) == 1:
            reached.set()
            await asyncio.Event().wait()
        return "done"

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        await reached.wait()
        await wait_until_written(session, "more")
        await h.kill_worker()
        # Bodies by reference are not built: an operator sees it, and it can be cancelled.
        assert (await session.wait_turn("blocked")).error is not None
        await session.cancel()
        assert (await session.wait_finished()).end == "cancelled"


async def wait_until_written(session: TestSession, text: str) -> None:
    async def written() -> bool | None:
        return (await session.text()).endswith(text) or None

    await wait_for(written, f"{text!r} is in the log")


async def test_a_turn_records_only_so_much(store_url: str) -> None:
    app = App()

    @app.agent("a")
    async def agent(turn: Turn) -> None:
        for _ in range(6):
            await turn.step("large", lambda: "x" * 4_000_000)

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        turn = await session.wait_finished()
        assert turn.error is not None
        assert turn.error["code"] == "limit_reached"
        assert len(await h.door.operations(turn.id)) == 3
