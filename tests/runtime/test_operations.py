"""Every operation of a turn, alone and several at once; what a replay makes of them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.runtime.tools import free, gated, location

from holdfast import App, Approvers, Call, Turn, tool
from holdfast.core.errors import BadInput, Forbidden
from holdfast.testing import harness


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
