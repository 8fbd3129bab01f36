"""Messages to an agent at work: seen when it looks, seen again by a replay, and never lost; or in its turn's place."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from holdfast import App, Turn, tool
from holdfast.core.events import TurnSteered
from holdfast.core.turns import TurnRecord
from holdfast.testing import Harness, TestSession, harness, wait_for, wait_until


@tool(approval=True)
async def refund(amount: float) -> str:
    return "refunded"


class Pause:
    """A place in an agent's code where a test stops it. A step, so that a replay does not stop there again."""

    def __init__(self) -> None:
        self.reached, self.go = asyncio.Event(), asyncio.Event()

    async def __call__(self) -> None:
        self.reached.set()
        await self.go.wait()


async def record_of(h: Harness, session: TestSession, turn: str | None) -> TurnRecord:
    assert turn is not None
    return (await h.door.read(session.id, turns=(turn,))).turns[turn]


def texts(said: list[Any]) -> list[str]:
    return [message.text for message in said]


async def test_an_agent_sees_what_was_said_when_it_looks_and_so_does_a_replay(store_url: str) -> None:
    app, pause, looks = App(), Pause(), list[list[list[str]]]()

    @app.agent("a", tools=[refund])
    async def agent(turn: Turn) -> list[list[str]]:
        seen = [texts(await turn.steering())]
        await turn.step("work", pause)
        seen.append(texts(await turn.steering()))
        looks.append(list(seen))
        await turn.call(refund, 5.0)
        seen.append(texts(await turn.steering()))
        return seen

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        await pause.reached.wait()
        first = await session.send("one", mode="steer")
        await session.send("two", mode="steer", by="bob")
        pause.go.set()
        ask = await session.wait_interrupt(tool=refund)
        await session.wait_waiting()
        late = await session.send("three", mode="steer")  # while it waits: delivered when it goes on
        assert (await session.wait_waiting()).open == (ask.id,)
        await session.approve(ask)
        ended = await session.wait_finished()
        assert ended.result == [[], ["one", "two"], ["three"]]
        assert looks == [[[], ["one", "two"]]] * 2  # the second run saw the same
        assert h.executions(refund) == 1
        steered = [event.messages for _, _, event in await session.events() if isinstance(event, TurnSteered)]
        assert steered[0][0] == first.message
        assert steered[1] == (late.message,)
        assert len((await session.state()).turns) == 1


@pytest.mark.parametrize("place", ["before", "after"])
async def test_a_worker_that_dies_around_the_look_loses_nothing_and_repeats_nothing(place: str, store_url: str) -> None:
    app, pause, late = App(), Pause(), Pause()

    @app.agent("a")
    async def agent(turn: Turn) -> list[str]:
        await turn.step("work", pause)
        if place == "before":
            await late()
        seen = texts(await turn.steering())
        if place == "after":
            await late()
        return [*seen, *texts(await turn.steering())]

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        await pause.reached.wait()
        await session.send("one", mode="steer")
        pause.go.set()
        await late.reached.wait()
        late.go.set()
        await h.kill_worker()
        assert (await session.wait_finished()).result == ["one"]
        assert len((await session.state()).turns) == 1


async def test_what_an_agent_never_looks_at_is_the_next_turns_message(store_url: str) -> None:
    app, pause = App(), Pause()

    @app.agent("a")
    async def agent(turn: Turn) -> dict[str, Any]:
        await turn.write("Hm.")
        await turn.step("work", pause)
        return {"message": turn.message.text, "history": texts(turn.history), "by": turn.principal.subject}

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        await pause.reached.wait()
        queued = await session.send("later", mode="queue")
        one = await session.send("one", mode="steer", by="bob")
        two = await session.send("two", mode="steer")
        pause.go.set()

        async def all_ended() -> list[Any] | None:
            state = await session.state()
            ended = [turn.result for turn in sorted(state.turns.values(), key=lambda turn: turn.startedAt or 0)]
            return ended if len(ended) == 4 and all(ended) else None

        first, second, third, fourth = await wait_for(all_ended, "four turns have ended")
        assert (first["message"], first["history"]) == ("go", [])
        assert (second["message"], second["by"], second["history"]) == ("one", "bob", ["go", "Hm."])
        assert (third["message"], fourth["message"]) == ("two", "later")
        assert "one" in third["history"]
        assert "two" not in second["history"]
        state = await session.state()
        causes = {own_id: state.messages[own_id].place.turn for own_id in (one.message, two.message) if own_id}
        assert {state.turns[turn or ""].result["message"] for turn in causes.values()} == {"one", "two"}
        assert queued.turn not in causes.values()


async def test_what_replaces_a_running_turn_comes_next_and_what_was_under_way_is_recorded(store_url: str) -> None:
    app, pause = App(), Pause()

    @app.agent("a", tools=[refund])
    async def agent(turn: Turn) -> list[str]:
        if turn.message.text == "go":
            await turn.all(turn.call(refund, 5.0), turn.step("work", pause))
        return texts(turn.history)

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        await pause.reached.wait()
        ask = await session.wait_interrupt(tool=refund)
        older = await session.send("later", mode="queue")
        await session.send("also", mode="steer")
        new = await session.send("no, this", mode="replace")
        answered = await session.approve(ask)
        assert (answered.outcome, answered.decision.status if answered.decision else None) == ("lost", "superseded")
        pause.go.set()

        async def ended(turn: str | None = older.turn) -> TurnRecord | None:
            record = await record_of(h, session, turn)
            return record if record.end else None

        last = await wait_for(ended, "the queued turn has ended")
        replaced = await record_of(h, session, new.turn)
        stopped = await record_of(h, session, new.behind)
        assert (stopped.end, replaced.end, last.end) == ("cancelled", "completed", "completed")
        assert (await h.door.operations(stopped.id))["step:work:1"].status == "done"
        # What steered the replaced turn is said, and causes nothing of its own.
        assert {"go", "also"} <= set(replaced.result)
        assert len((await session.state()).turns) == 3
        assert h.executions(refund) == 0
        [part] = [
            part
            for placed in (await session.state()).ordered
            for part in placed.message.parts
            if part["type"] == "dynamic-tool" or part["type"].startswith("tool-")
        ]
        assert part["state"] == "output-denied"
        assert "newer message" in str(part)


async def test_a_turn_that_waits_is_replaced_without_running_its_code(store_url: str) -> None:
    app, runs = App(), list[str]()

    @app.agent("a")
    async def agent(turn: Turn) -> str:
        runs.append(turn.message.text)
        return (await turn.ask("Sure?")).status if turn.message.text == "go" else "other"

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        await session.wait_waiting()
        new = await session.send("no, this", mode="replace")
        await wait_until(lambda: runs == ["go", "no, this"], "the new turn runs")

        async def done() -> TurnRecord | None:
            record = await record_of(h, session, new.turn)
            return record if record.end else None

        assert (await wait_for(done, "it has ended")).result == "other"
        assert runs == ["go", "no, this"]
