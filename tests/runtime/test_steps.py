"""Steps, streams and sleeps: what needs nobody, is recorded once, and outlives its worker."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.runtime.tools import gated

from holdfast import App, StepFailed, Turn
from holdfast.testing import harness, wait_until


async def test_steps_are_kept_and_fail_alike_in_every_run(store_url: str) -> None:
    app, tried = App(), list[int]()

    def broken() -> int:
        tried.append(1)
        raise KeyError("nothing there")

    @app.agent("a", tools=[gated])
    async def agent(turn: Turn) -> str:
        try:
            await turn.step("broken", broken, retries=1)
        except StepFailed as failed:
            message = f"{failed.type} {failed.message}"
        result = await turn.call(gated, message)
        return result.value

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        await session.approve(await session.wait_interrupt(tool=gated))
        turn = await session.wait_finished()
        assert turn.result == "did KeyError 'nothing there'"
        assert len(tried) == 2


async def test_a_stream_is_one_operation(store_url: str) -> None:
    app, asked = App(), list[int]()

    async def model() -> Any:
        asked.append(1)
        for word in ("Once ", "upon ", "a time."):
            yield word

    @app.agent("a", tools=[gated])
    async def agent(turn: Turn) -> str:
        text = await turn.stream("model", model)
        await turn.call(gated, "x")
        return text

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        await session.approve(await session.wait_interrupt(tool=gated))
        assert (await session.wait_finished()).result == "Once upon a time."
        assert await session.text() == "Once upon a time."
        assert len(asked) == 1


async def test_a_long_pause_between_attempts_holds_nothing_and_outlives_the_worker(store_url: str) -> None:
    app, tried = App(), list[int]()

    def flaky() -> str:
        tried.append(1)
        if len(tried) < 3:
            raise OSError("away")
        return "there"

    @app.agent("a")
    async def agent(turn: Turn) -> str:
        return await turn.step("fetch", flaky, retries=5, backoff="1 day")

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        await session.wait_waiting()
        assert len(tried) == 1
        await h.kill_worker()
        await h.advance("1 day")
        await wait_until(lambda: len(tried) == 2, "the second attempt")
        await session.wait_waiting()
        await h.advance("1 day")  # the pause has doubled
        assert len(tried) == 2
        await h.advance("1 day")
        turn = await session.wait_finished()
        assert turn.result == "there"
        assert (await h.door.operations(turn.id))["step:fetch:1"].attempts == 3


async def test_retries_end_in_the_failure_of_the_last_attempt(store_url: str) -> None:
    app, tried = App(), list[int]()

    def broken() -> None:
        tried.append(1)
        raise OSError(f"attempt {len(tried)}")

    @app.agent("a")
    async def agent(turn: Turn) -> str:
        try:
            await turn.step("fetch", broken, retries=2, backoff="1 ms")
        except StepFailed as failed:
            return failed.message
        return "not reached"

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        assert (await session.wait_finished()).result == "attempt 3"


async def test_sleeps_for_days(store_url: str) -> None:
    app = App()

    @app.agent("a")
    async def agent(turn: Turn) -> str:
        began = turn.now()
        await turn.sleep("7 days")
        return str((turn.now() - began).days)

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        await session.wait_waiting()
        await h.advance("6 days")
        assert (await session.wait_waiting()).status == "waiting"
        await h.advance("1 day")
        assert (await session.wait_finished()).result == "7"


async def test_a_sleep_until_an_instant(store_url: str) -> None:
    app = App()

    @app.agent("a")
    async def agent(turn: Turn) -> list[str]:
        errors = list[str]()
        for wrong in ({}, {"duration": "1 s", "until": turn.now()}, {"until": turn.now().replace(tzinfo=None)}):
            try:
                await turn.sleep(**wrong)
            except ValueError as error:
                errors.append(str(error))
        assert len(errors) == 3
        began = turn.now()
        await turn.sleep(until=began - timedelta(days=1))  # past: no wait
        await turn.sleep(until=began + timedelta(days=9))
        return [str((turn.now() - began).days)]

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        await session.wait_waiting()
        await h.advance("8 days")
        assert (await session.wait_waiting()).status == "waiting"
        await h.advance("1 day")
        assert (await session.wait_finished()).result == ["9"]
