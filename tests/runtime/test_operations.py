"""Every operation of a turn, alone and several at once; what a replay makes of them."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from holdfast import App, Approvers, Call, StepFailed, Turn, client_tool, tool
from holdfast.core.errors import BadInput, Forbidden
from holdfast.testing import harness, wait_until


@tool(approval=True)
async def gated(name: str) -> str:
    return f"did {name}"


@tool(approval=False)
async def free(name: str) -> str:
    return f"did {name}"


@client_tool
async def location(accuracy: str) -> dict[str, float]: ...


async def test_all_waits_for_everybody(store_url: str) -> None:
    app = App()

    @app.agent("a", tools=[gated, free])
    async def agent(turn: Turn) -> list[str]:
        one, two, three = await turn.all(turn.call(gated, "x"), turn.call(free, "y"), turn.call(gated, "z"))
        return [one.status, two.status, three.status]

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        await session.wait_waiting()
        asks = {one["input"]["name"]: one for one in (await session.state()).interrupts.values()}
        assert sorted(asks) == ["x", "z"]
        assert h.executions(free) == 1
        first = await session.wait_interrupt(tool=gated)
        await session.deny(first)
        assert (await session.state()).turns[first.turn].status == "waiting"
        second = await session.wait_interrupt(tool=gated)
        await session.approve(second)
        turn = await session.wait_finished()
        assert sorted(turn.result) == ["denied", "done", "done"]
        assert (h.executions(gated), h.executions(free)) == (1, 1)
        kinds = [type(event).__name__ for _, _, event in await session.events()]
        assert kinds.count("TurnResumed") == 1


async def test_asks_forms_gates_and_client_tools(store_url: str) -> None:
    app = App()

    @app.agent("a", tools=[location])
    async def agent(turn: Turn) -> list[Any]:
        asked = await turn.ask("Which?", options=["red", "blue"])
        filled = await turn.form("Who?", {"type": "object", "properties": {"name": {"type": "string"}}})
        passed = await turn.gate("deploy", {"to": "prod"})
        where = await turn.call(location, "high")
        return [asked.value.selected, filled.value, passed.value, where.value]

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        await session.answer(await session.wait_interrupt(kind="question"), {"selected": ["red"]})
        form = await session.wait_interrupt(kind="form")
        await session.answer(form, {"action": "accept", "content": {"name": "Ada"}})
        await session.answer(await session.wait_interrupt(kind="gate"), {"approved": True})
        place = await session.wait_interrupt(kind="client_tool")
        assert place.input == {"accuracy": "high"}
        await session.answer(place, {"output": {"lat": 0.0}})
        turn = await session.wait_finished()
        assert turn.result == [["red"], {"name": "Ada"}, True, {"lat": 0.0}]


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


async def test_a_tool_asks_from_inside(store_url: str) -> None:
    app, prepared = App(), list[int]()

    @tool(approval=False)
    async def careful(call: Call[Any], what: str) -> str:
        await call.step("prepare", lambda: prepared.append(1))
        sure = await call.gate("sure", {"what": what})
        return f"{what} {'done' if sure.ok else 'left'}"

    @app.agent("a", tools=[careful])
    async def agent(turn: Turn) -> str:
        return (await turn.call(careful, "x")).value

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        sure = await session.wait_interrupt(kind="gate")
        await session.wait_waiting()
        await session.approve(sure)
        turn = await session.wait_finished()
        assert (turn.result, len(prepared), h.executions(careful)) == ("x done", 1, 2)


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


async def test_messages_queue_behind_the_turn(store_url: str) -> None:
    app = App()

    @app.agent("a", tools=[gated])
    async def agent(turn: Turn) -> list[str]:
        if turn.message.text == "first":
            await turn.call(gated, "x")
        await turn.write(f"re: {turn.message.text}")
        return [message.text for message in turn.history]

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="first")
        ask = await session.wait_interrupt(tool=gated)
        await session.send("second")
        await session.send("third")
        await session.approve(ask)
        turn = await session.wait_finished()
        await wait_until_idle(session)
        turns = list((await session.state()).turns.values())
        assert [one.result for one in turns] == [
            [],
            ["first", "re: first"],
            ["first", "re: first", "second", "re: second"],
        ]
        assert turn.end == "completed"


async def wait_until_idle(session: Any) -> None:
    from holdfast.testing import wait_for

    async def idle() -> bool | None:
        return all(one.status == "finished" for one in (await session.state()).turns.values()) or None

    await wait_for(idle, "no turn is left")


async def test_an_agent_that_raises_fails_its_turn(store_url: str) -> None:
    app = App()

    @app.agent("a")
    async def agent(turn: Turn) -> None:
        await turn.write("Hm. ")
        raise ValueError("broken")

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        turn = await session.wait_finished()
        assert turn.end == "failed"
        assert turn.error == {"code": "agent_error", "message": "ValueError: broken"}
        assert await session.text() == "Hm. "


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (lambda: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda: object(), "ResultNotEncodable"),
        (lambda: "x" * 200_000, "ResultTooLarge"),
    ],
)
async def test_a_tool_that_fails_is_a_result(store_url: str, body: Any, reason: str) -> None:
    app = App()

    @tool(approval=False)
    async def bad() -> Any:
        return body()

    @app.agent("a", tools=[bad])
    async def agent(turn: Turn) -> list[str | None]:
        result = await turn.call(bad)
        return [result.status, result.reason]

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        turn = await session.wait_finished()
        status, said = turn.result
        assert status == "failed"
        assert said.startswith(reason)
        assert h.executions(bad) == 1


async def test_bad_input_never_reaches_a_human(store_url: str) -> None:
    app = App()

    @app.agent("a", tools=[gated])
    async def agent(turn: Turn) -> str | None:
        return (await turn.call(gated, name=5)).reason  # type: ignore[arg-type]

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        turn = await session.wait_finished()
        assert "Expected `str`, got `int`" in turn.result


async def test_a_predicate_that_raises_means_ask(store_url: str) -> None:
    app = App()

    @tool(approval=lambda call: call.input["missing"] > 1)
    async def odd(x: int) -> int:
        return x

    @app.agent("a", tools=[odd])
    async def agent(turn: Turn) -> str:
        return (await turn.call(odd, 1)).status

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        await session.wait_interrupt(tool=odd)
        assert h.executions(odd) == 0


async def test_operations_of_tasks_of_ones_own_are_refused(store_url: str) -> None:
    app = App()

    @app.agent("a", tools=[free])
    async def agent(turn: Turn) -> None:
        async def own() -> None:
            await turn.call(free, "x")

        await asyncio.create_task(own())

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        turn = await session.wait_finished()
        assert turn.error is not None
        assert "task of your own making" in turn.error["message"]


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


async def test_edited_arguments_count_also_when_the_body_asks(store_url: str) -> None:
    app = App()

    @tool(approval=True, editable=True)
    async def transfer(call: Call[Any], amount: int) -> str:
        sure = await call.gate("sure")
        return f"{amount} {sure.ok}"

    @app.agent("a", tools=[transfer])
    async def agent(turn: Turn) -> str:
        return (await turn.call(transfer, 500)).value

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        ask = await session.wait_interrupt(tool=transfer)
        with pytest.raises(BadInput, match=r"payload\.input\.amount"):
            await session.approve(ask, input={"amount": "a lot"})
        await session.approve(ask, input={"amount": 50})
        await session.approve(await session.wait_interrupt(kind="gate"))
        assert (await session.wait_finished()).result == "50 True"


async def test_a_form_is_checked_by_its_schema(store_url: str) -> None:
    app = App()
    schema = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}

    @app.agent("a")
    async def agent(turn: Turn) -> Any:
        return (await turn.form("How old?", schema)).value

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        form = await session.wait_interrupt(kind="form")
        with pytest.raises(BadInput, match=r"payload\.content\.age"):
            await session.answer(form, {"action": "accept", "content": {"age": "old"}})
        await session.answer(form, {"action": "accept", "content": {"age": 36}})
        assert (await session.wait_finished()).result == {"age": 36}


async def test_withdrawn_is_told_as_such_with_its_reason(store_url: str) -> None:
    app = App()

    @app.agent("a", tools=[gated])
    async def agent(turn: Turn) -> list[Any]:
        called, asked = await turn.all(turn.call(gated, "x"), turn.ask("Which?", options=["red"]))
        return [called.status, called.reason, called.ok, asked.status, asked.reason]

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        await session.wait_waiting()
        await session.withdraw(await session.wait_interrupt(tool=gated), reason="Sold out.")
        await session.withdraw(await session.wait_interrupt(kind="question"))
        turn = await session.wait_finished()
        assert turn.result == ["withdrawn", "Sold out.", False, "withdrawn", "withdrawn by olga"]
        assert h.executions(gated) == 0


async def test_two_of_a_role_approve_edited_arguments_that_both_have_seen(store_url: str) -> None:
    app = App()
    four_eyes = Approvers(roles=("finance",), quorum=2, not_requester=True)

    @tool(approval=True, approvers=four_eyes, editable=True)
    async def pay(amount: int) -> int:
        return amount

    @app.agent("a", tools=[pay])
    async def agent(turn: Turn) -> list[Any]:
        result = await turn.call(pay, 500)
        return [result.status, result.value, result.input]

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        ask = await session.wait_interrupt(tool=pay)
        finance: Any = {"roles": ("finance",)}
        with pytest.raises(Forbidden):
            await session.answer(ask, {"approved": True}, by="alice", **finance)
        await session.answer(ask, {"approved": True}, by="bob", **finance)
        edited = await session.answer(ask, {"approved": True, "input": {"amount": 50}}, by="carol", **finance)
        assert edited.outcome == "recorded"
        assert edited.vote is not None
        agreed = {"approved": True, "inputHash": edited.vote.inputHash}
        assert (await session.answer(ask, agreed, by="bob", **finance)).outcome == "won"
        turn = await session.wait_finished()
        assert turn.result == ["done", 50, {"amount": 50}]
        assert h.executions(pay) == 1


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


async def test_the_last_progress_stands_in_the_snapshot(store_url: str) -> None:
    app = App()

    @app.agent("a")
    async def agent(turn: Turn) -> None:
        await turn.progress({"done": 1, "of": 3})
        await turn.progress({"done": 2, "of": 3})
        await turn.gate("go on")

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        assert (await session.wait_waiting()).progress == {"done": 2, "of": 3}
        await session.approve(await session.wait_interrupt(kind="gate"))
        assert (await session.wait_finished()).progress == {"done": 2, "of": 3}
