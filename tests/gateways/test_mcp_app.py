"""The app's own tools at `/mcp`: a server and a worker in this process, the protocol's own client, people."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
import uvicorn
from mcp import Client as Agent
from mcp import MCPError, types
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from tests.gateways.rest import SECRET, token
from tests.gateways.server import Quiet
from tests.waiting import wait_until

import holdfast
from holdfast import App, Call, Turn, client, tool
from holdfast.core.identity import Right
from holdfast.core.interrupts import Interrupt
from holdfast.core.manifests import TAKEN
from holdfast.gateways.drain import Drain

LOOK = tool(approval=False, name="look")(lambda: None)
ASKS: tuple[Right, ...] = ("read", "send", "cancel")  # what an agent's token is for
ANSWERS: tuple[Right, ...] = (*ASKS, "answer")
BOTH = pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])


class Ran(list[str]):
    """What tools did."""


@pytest.fixture
def ran() -> Ran:
    return Ran()


def app_of(ran: Ran) -> App:
    app = App()

    @tool(approval=True)
    async def refund(call: Call, order: str, amount: float) -> dict[str, Any]:
        """Refund an order."""
        ran.append(f"{order} {amount:g} {call.principal.subject}")
        return {"refunded": amount}

    @tool(approval=False)
    async def look(order: str) -> str:
        """Look an order up."""
        ran.append(order)
        return f"Order {order} is on its way."

    @tool(approval=False)
    async def hidden() -> str:
        return "Nobody elsewhere knows of this."

    @app.agent("clerk", tools=[hidden, refund], publish="Answers questions about orders.")
    async def clerk(turn: Turn) -> None:
        await turn.write(f"You said: {turn.message.text}" if turn.message else "Nothing was said.")

    @app.agent("private")
    async def private(turn: Turn) -> None:
        await turn.write("Nobody elsewhere knows of this.")

    app.publish(refund, look)
    return app


async def clerk(turn: Turn) -> None:
    await turn.write("Hello.")


class Shop:
    """A server with this app."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    @asynccontextmanager
    async def agent(
        self, mode: str = "auto", can: tuple[Right, ...] = ASKS, query: str = "", sub: str = "alice", **more: Any
    ) -> AsyncGenerator[Agent]:
        async with create_mcp_http_client({"Authorization": f"Bearer {token(sub, can=can)}"}) as http:
            where = streamable_http_client(f"{self.url}/mcp{query}", http_client=http)
            async with Agent(where, mode=cast("Any", mode), **more) as asking:
                yield asking

    def person(self, sub: str = "alice") -> client.Client:
        return client.connect(self.url, token=token(sub))


@pytest.fixture
async def shop(store_url: str, ran: Ran) -> AsyncGenerator[Shop]:
    mounted = holdfast.asgi(app_of(ran), redis=store_url, secret=SECRET)
    async with mounted.lifespan():
        server = Quiet(uvicorn.Config(mounted, host="127.0.0.1", port=0, log_level="warning", lifespan="off"), Drain(0))
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(server.serve())
            await wait_until(lambda: server.started or serving.done(), "the server has started")
            try:
                yield Shop(server.servers[0].sockets[0].getsockname()[1])
            finally:
                server.should_exit = True


async def card(device: client.Client) -> Interrupt:
    await wait_until(lambda: _asked(device), "somebody is asked")
    return (await device.inbox())[0]


async def _asked(device: client.Client) -> bool:
    return bool(await device.inbox())


def structured(result: Any) -> dict[str, Any]:
    assert result.structured_content is not None
    return result.structured_content


def text(result: Any) -> str:
    [part] = result.content
    return part.text


async def test_what_is_published_is_listed_and_nothing_else(shop: Shop) -> None:
    async with shop.agent() as asking:
        listed = {one.name: one for one in (await asking.list_tools()).tools}
    assert {"refund", "look", "clerk", "wait_for"} < listed.keys()
    assert not {"hidden", "private", "published.refund"} & listed.keys()
    assert listed["refund"].description == "Refund an order."
    assert listed["refund"].input_schema["required"] == ["order", "amount"]


@BOTH
async def test_called_and_done(shop: Shop, ran: Ran, mode: str) -> None:
    async with shop.agent(mode) as asking:
        done = await asking.call_tool("look", {"order": "A-17"})
        assert (text(done), structured(done)["status"]) == ("Order A-17 is on its way.", "done")
        words = await asking.call_tool("clerk", {"message": "Hello"})
        assert text(words) == "You said: Hello"
    assert ran == ["A-17"]


@BOTH
async def test_gated_it_waits_for_a_person(shop: Shop, ran: Ran, mode: str) -> None:
    async with shop.agent(mode) as asking, shop.person() as phone:
        call = asyncio.create_task(asking.call_tool("refund", {"order": "A-17", "amount": 200}))
        asked = await card(phone)
        assert (asked.toolName, asked.input) == ("refund", {"order": "A-17", "amount": 200})
        await phone.session(asked.session).approve(asked.id)
        done = await call
        assert json.loads(text(done)) == structured(done)["value"] == {"refunded": 200}
        call = asyncio.create_task(asking.call_tool("refund", {"order": "A-18", "amount": 1}))
        asked = await card(phone)
        await phone.session(asked.session).deny(asked.id, reason="Not that one.")
        denied = await call
        assert denied.is_error
        assert "Not that one." in text(denied)
    assert ran == ["A-17 200 alice"]


async def test_what_is_open_is_waited_for_and_called_once(shop: Shop, ran: Ran) -> None:
    given = {"order": "A-17", "amount": 200}
    async with shop.agent(query="?wait=100+ms") as asking, shop.person() as phone:
        told = await asking.call_tool("refund", given, meta=cast("Any", {"holdfast/ref": "r1"}))
        again = await asking.call_tool("refund", given, meta=cast("Any", {"holdfast/ref": "r1"}))
        assert structured(told) == structured(again)
        assert structured(told)["status"] == "open"
        assert "wait_for" in text(told)
        [asked] = await phone.inbox()
        await phone.session(asked.session).approve(asked.id)
        async with shop.agent() as other:  # a connection of another agent's, with the same token
            done = await other.call_tool("wait_for", {"id": structured(told)["id"]})
        assert structured(done)["value"] == {"refunded": 200}
        reused = await asking.call_tool("refund", given | {"amount": 1}, meta=cast("Any", {"holdfast/ref": "r1"}))
        assert reused.is_error
    assert ran == ["A-17 200 alice"]


@BOTH
async def test_given_up_its_card_goes(shop: Shop, ran: Ran, mode: str) -> None:
    async with shop.agent(mode) as asking, shop.person() as phone:
        call = asyncio.create_task(asking.call_tool("refund", {"order": "A-17", "amount": 200}))
        await card(phone)
        call.cancel()

        async def gone() -> bool:
            return await phone.inbox() == []

        await wait_until(gone, "the card is gone")
    assert ran == []


async def test_what_the_client_has_named_it_can_come_back_for(shop: Shop, ran: Ran) -> None:
    given, named = {"order": "A-17", "amount": 200}, cast("Any", {"holdfast/ref": "r1"})
    async with shop.person() as phone:
        async with shop.agent() as asking:
            call = asyncio.create_task(asking.call_tool("refund", given, meta=named))
            asked = await card(phone)
            call.cancel()
        await phone.session(asked.session).approve(asked.id)
        async with shop.agent() as asking:
            assert structured(await asking.call_tool("refund", given, meta=named))["value"] == {"refunded": 200}
    assert ran == ["A-17 200 alice"]


async def test_a_client_that_shows_forms_asks_its_own_person(shop: Shop, ran: Ran) -> None:
    """Where the token may answer: the answer is one of a device like any other."""
    shown: list[str] = []

    async def person(_context: Any, params: Any) -> types.ElicitResult:
        shown.append(params.message)
        return types.ElicitResult(action="accept", content={"approved": len(shown) == 1, "reason": "Because."})

    async with shop.agent("2026-07-28", ANSWERS, elicitation_callback=person) as asking, shop.person() as phone:
        done = await asking.call_tool("refund", {"order": "A-17", "amount": 200})
        assert structured(done)["value"] == {"refunded": 200}
        denied = await asking.call_tool("refund", {"order": "A-18", "amount": 1})
        assert "Because." in text(denied)
        assert await phone.inbox() == []
    assert '{"amount":200,"order":"A-17"}' in shown[0]
    assert ran == ["A-17 200 alice"]


async def test_a_token_that_may_not_answer_is_never_asked(shop: Shop, ran: Ran) -> None:
    async def person(_context: Any, _params: Any) -> types.ElicitResult:
        return types.ElicitResult(action="accept", content={"approved": True})

    async with shop.agent("2026-07-28", query="?wait=100+ms", elicitation_callback=person) as asking:
        assert structured(await asking.call_tool("refund", {"order": "A-17", "amount": 200}))["status"] == "open"
        forged = {"any": types.ElicitResult(action="accept", content={"approved": True})}
        result = await asking.session.call_tool(
            "refund", {"order": "B-1", "amount": 9}, input_responses=cast("Any", forged), request_state="r9"
        )
        assert structured(result)["status"] == "open"
    assert ran == []


async def test_a_form_that_is_closed_leaves_it_to_others(shop: Shop, ran: Ran) -> None:
    async def person(_context: Any, _params: Any) -> types.ElicitResult:
        return types.ElicitResult(action="cancel")

    waits = "?wait=100+ms"
    async with (
        shop.agent("2026-07-28", ANSWERS, waits, elicitation_callback=person) as asking,
        shop.person() as phone,
    ):
        assert structured(await asking.call_tool("refund", {"order": "A-17", "amount": 200}))["status"] == "open"
        assert len(await phone.inbox()) == 1
    assert ran == []


async def test_the_state_of_a_call_is_of_no_other_arguments(shop: Shop, ran: Ran) -> None:
    async def person(_context: Any, _params: Any) -> types.ElicitResult:
        raise AssertionError("it is asked by hand")

    async with shop.agent("2026-07-28", ANSWERS, elicitation_callback=person) as asking:
        asked = await asking.session.call_tool("refund", {"order": "A-17", "amount": 1}, allow_input_required=True)
        assert isinstance(asked, types.InputRequiredResult)
        assert asked.input_requests is not None
        yes = {key: types.ElicitResult(action="accept", content={"approved": True}) for key in asked.input_requests}
        for arguments, responses in (({"order": "A-17", "amount": 999}, yes), ({"order": "B", "amount": 1}, yes)):
            with pytest.raises(MCPError) as refused:
                await asking.session.call_tool(
                    "refund", arguments, input_responses=cast("Any", responses), request_state=asked.request_state
                )
            assert refused.value.code == types.INVALID_PARAMS
    assert ran == []


async def test_what_does_not_fit_or_is_not_there(shop: Shop) -> None:
    async with shop.agent() as asking:
        for name, given, code in (
            ("refund", {"order": "A-17"}, "bad_input"),
            ("hidden", {}, "not_found"),
            ("published.look", {"order": "A-17"}, "not_found"),
            ("wait_for", {"id": "t_x.s_y"}, "not_found"),
        ):
            refused = await asking.call_tool(name, given)
            assert refused.is_error
            assert text(refused).endswith(f"({code})")


async def test_the_calls_of_others_are_not_to_be_waited_for(shop: Shop) -> None:
    async with shop.agent() as asking, shop.agent(sub="bob") as stranger:
        told = structured(await asking.call_tool("look", {"order": "A-17"}))
        refused = await stranger.call_tool("wait_for", {"id": told["id"]})
        assert text(refused).endswith("(not_found)")


async def test_names_that_mean_something_else_elsewhere_are_refused(shop: Shop) -> None:
    async with shop.agent() as asking:
        listed = {one.name for one in (await asking.list_tools()).tools}
    assert set(TAKEN) == listed - {"refund", "look", "clerk"}
    app = App()
    for name in (*TAKEN, "with blanks", "x" * 129):
        with pytest.raises(ValueError, match="publish"):
            app.publish(tool(approval=False, name=name)(lambda: None))
    with pytest.raises(ValueError, match="twice"):
        app.publish(LOOK, LOOK)
    with pytest.raises(ValueError, match="same name"):
        app.add_agent("look", clerk, publish="Looks.")
