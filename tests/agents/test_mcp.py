"""Tools of MCP servers in our agents: real servers on the official package, in processes of their own."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.cluster import free_port, listening
from tests.waiting import wait_until

from holdfast import App, Turn
from holdfast.agents.mcp import mcp_tools
from holdfast.core.errors import Unavailable
from holdfast.core.identity import OPERATOR
from holdfast.runtime.tools import Tool
from holdfast.testing import harness

SERVER = shlex.join([sys.executable, str(Path(__file__).with_name("mcp_server.py"))])
IN_TYPESCRIPT = Path(__file__).parents[1] / "ecosystem" / "mcp_server.mjs"
LOOKED = {"look": {"thing": "cup"}}
Tools = dict[str, Tool[..., Any]]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mcp") / "effects"


@pytest.fixture
def effects(kept: Path) -> Path:
    kept.write_text("")
    return kept


@pytest.fixture(scope="module")
def listed(kept: Path) -> Tools:
    """Listed once: a process for each takes its seconds."""
    return tools_of(kept)


@pytest.fixture
def tools(listed: Tools) -> Tools:
    """Tools that nobody is asked about."""
    return {name: one.options(approval=False) for name, one in listed.items()}


def tools_of(effects: Path, **options: Any) -> Tools:
    found = mcp_tools(SERVER, name="things", environment={"EFFECTS": str(effects)}, **options)
    return {tool.name: tool for tool in found}


def older() -> Tools:
    """Those of a server in TypeScript, that nobody is asked about."""
    found = mcp_tools(shlex.join(["node", str(IN_TYPESCRIPT)]), name="older", environment={"PATH": os.environ["PATH"]})
    return {one.name: one.options(approval=False) for one in found}


def app_of(tools: Tools) -> App:
    """An agent that calls the tool that its input names, and gives what came of it."""
    app = App()

    @app.agent("caller", tools=list(tools.values()))
    async def caller(turn: Turn) -> Any:
        result = await turn.call(tools[turn.input["tool"]], **turn.input.get("arguments", {}))
        return [result.status, result.value if result.ok else result.reason]

    return app


def lines(effects: Path) -> list[str]:
    return effects.read_text().splitlines()


def test_chosen_by_globs_and_named_with_a_prefix(effects: Path) -> None:
    assert set(tools_of(effects, include=["l*", "re*"], exclude=["remove"])) == {"things.look"}
    [one] = tools_of(effects, include=["look"], prefix="t_").values()
    assert (one.name, one.description) == ("t_look", "Look at a thing.")
    assert one.signature.input_schema["properties"]["thing"]["type"] == "string"
    with pytest.raises(ValueError, match="has none of these tools"):
        tools_of(effects, include=["nothing"])


def test_a_server_that_cannot_be_reached() -> None:
    with pytest.raises(Unavailable, match="cannot be listed"):
        mcp_tools("/nothing/here", name="gone")


def test_hints_ask_for_more_and_are_believed_for_less_only_if_trusted(effects: Path) -> None:
    wary, trusting = tools_of(effects), tools_of(effects, trusted=True)
    assert [wary[name].rules.approval for name in ("things.look", "things.remove", "things.fail")] == [None, True, None]
    assert (trusting["things.look"].rules.approval, trusting["things.look"].rules.idempotent) == (False, True)
    assert trusting["things.remove"].rules.approval is True


async def test_asked_about_then_called_once(store_url: str, listed: Tools, effects: Path) -> None:
    async with harness(app_of(listed), url=store_url) as h:
        session = await h.start("caller", input={"tool": "things.remove", "arguments": {"thing": "cup"}})
        ask = await session.wait_interrupt()
        assert (ask.toolName, ask.input, lines(effects)) == ("things.remove", {"thing": "cup"}, [])
        await session.approve(ask)
        assert (await session.wait_finished()).result == ["done", {"removed": "cup"}]
        assert lines(effects) == ["remove cup"]


async def test_denied_with_a_reason(store_url: str, listed: Tools, effects: Path) -> None:
    async with harness(app_of(listed), url=store_url) as h:
        session = await h.start("caller", input={"tool": "things.remove", "arguments": {"thing": "cup"}})
        await session.deny(await session.wait_interrupt(), reason="It is mine.")
        assert (await session.wait_finished()).result == ["denied", "It is mine."]
        assert lines(effects) == []


@pytest.mark.parametrize(
    ("tool", "arguments", "status", "says"),
    [
        ("look", {"thing": "cup"}, "done", "cup"),
        ("look", {"thing": 1}, "failed", "input.thing"),
        ("fail", {}, "failed", "out of paper"),
        ("die", {}, "failed", "it may have run"),
        ("picture", {}, "done", "left out"),
    ],
)
async def test_results_and_failures(
    store_url: str, tools: Tools, tool: str, arguments: dict[str, Any], status: str, says: str
) -> None:
    async with harness(app_of(tools), url=store_url) as h:
        session = await h.start("caller", input={"tool": f"things.{tool}", "arguments": arguments})
        result = (await session.wait_finished()).result
        assert result[0] == status
        assert says in str(result[1])


async def test_after_a_server_died_the_next_call_starts_it_anew(store_url: str, tools: Tools) -> None:
    async with harness(app_of(tools), url=store_url) as h:
        for tool, arguments, status in (("die", {}, "failed"), ("look", {"thing": "cup"}, "done")):
            session = await h.start("caller", input={"tool": f"things.{tool}", "arguments": arguments})
            assert (await session.wait_finished()).result[0] == status


async def test_what_has_changed_since_it_was_listed_is_not_called(store_url: str, tools: Tools, effects: Path) -> None:
    """Nobody has agreed to what it is now: it may say that it is harmless no more."""
    async with harness(app_of(tools), url=store_url) as h:
        for tool in ("look", "alter", "die"):
            session = await h.start("caller", input={"tool": f"things.{tool}", "arguments": LOOKED.get(tool, {})})
            await session.wait_finished()
        session = await h.start("caller", input={"tool": "things.look", "arguments": {"thing": "jug"}})
        status, said = (await session.wait_finished()).result
        assert status == "failed"
        assert "has changed this tool" in said
        assert lines(effects) == ["look cup", "rearranged", "die"]
        session = await h.start("caller", input={"tool": "things.fail"})
        assert "out of paper" in (await session.wait_finished()).result[1], "the others are as they were"


async def test_a_server_that_says_so_is_looked_at_again(store_url: str) -> None:
    tools = older()
    async with harness(app_of(tools), url=store_url) as h:
        said: list[Any] = []
        for tool, arguments in (("add", {"a": 1, "b": 2}), ("change", {}), ("add", {"a": 1, "b": 2})):
            session = await h.start("caller", input={"tool": f"older.{tool}", "arguments": arguments})
            said.append((await session.wait_finished()).result)
    assert said[:2] == [["done", "3"], ["done", "changed"]]
    assert "has changed this tool" in said[2][1]


@pytest.mark.parametrize("ran", [True, False])
async def test_a_worker_that_dies_under_a_call_leaves_it_in_doubt(
    store_url: str, tools: Tools, effects: Path, ran: bool
) -> None:
    async with harness(app_of(tools), url=store_url) as h:
        session = await h.start("caller", input={"tool": "things.hang", "arguments": {"thing": "cup"}})
        await wait_until(lambda: lines(effects) == ["hang cup"], "the call has begun", 20)
        await h.kill_worker()
        doubt = await session.wait_interrupt()
        assert (doubt.kind, doubt.toolName, doubt.input) == ("in_doubt", "things.hang", {"thing": "cup"})
        assert lines(effects) == ["hang cup"]
        payload: dict[str, Any] = {"ran": ran, "result": "cup"} if ran else {"ran": ran}
        await session.answer(doubt, payload, by="olga", roles=(OPERATOR,))
        if ran:
            assert (await session.wait_finished()).result == ["done", "cup"]
            assert lines(effects) == ["hang cup"]
        else:
            await wait_until(lambda: lines(effects) == ["hang cup", "hang cup"], "it is called again", 20)


async def test_after_a_form_too(store_url: str, tools: Tools, effects: Path) -> None:
    """The body runs again after a person has answered; a round that may have run is in doubt all the same."""
    async with harness(app_of(tools), url=store_url) as h:
        session = await h.start("caller", input={"tool": "things.order_and_hang", "arguments": {"thing": "cup"}})
        ask = await session.wait_interrupt()
        await session.answer(ask, {"action": "accept", "content": {"size": "M"}})
        ordered = "order cup {'size': 'M'}"
        await wait_until(lambda: lines(effects) == ["asked", ordered], "the second round has begun", 20)
        await h.kill_worker()
        doubt = await session.wait_interrupt()
        assert doubt.kind == "in_doubt"
        await session.answer(doubt, {"ran": True, "result": "ordered"}, by="olga", roles=(OPERATOR,))
        assert (await session.wait_finished()).result == ["done", "ordered"]
        assert lines(effects) == ["asked", ordered]


async def test_elicitation_is_a_form_that_any_device_fills_in(store_url: str, tools: Tools, effects: Path) -> None:
    async with harness(app_of(tools), url=store_url) as h:
        session = await h.start("caller", input={"tool": "things.order", "arguments": {"thing": "cup"}})
        ask = await session.wait_interrupt()
        assert (ask.kind, ask.message) == ("form", "things: Which size?")
        assert ask.metadata == {"mcp": {"server": "things", "tool": "order"}}
        assert "opaque" not in str(ask)
        await session.wait_waiting()
        await session.answer(ask, {"action": "accept", "content": {"size": "M"}})
        assert (await session.wait_finished()).result == ["done", "accept {'size': 'M'}"]
        assert lines(effects) == ["asked", "order cup accept {'size': 'M'}"]


@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_declined(store_url: str, tools: Tools, action: str) -> None:
    async with harness(app_of(tools), url=store_url) as h:
        session = await h.start("caller", input={"tool": "things.order", "arguments": {"thing": "cup"}})
        await session.answer(await session.wait_interrupt(), {"action": action})
        assert (await session.wait_finished()).result == ["done", f"{action} None"]


async def test_a_page_elsewhere(store_url: str, tools: Tools) -> None:
    async with harness(app_of(tools), url=store_url) as h:
        session = await h.start("caller", input={"tool": "things.consent"})
        ask = await session.wait_interrupt()
        assert ask.url == "https://auth.example.com/x"
        await session.answer(ask, {"action": "accept"})
        assert (await session.wait_finished()).result == ["done", "accept"]


@pytest.mark.parametrize("dies", ["worker", "server"])
async def test_answered_after_a_death(store_url: str, tools: Tools, effects: Path, dies: str) -> None:
    """No connection is held. A server that was started anew has forgotten its state; the answer stands all the same."""
    async with harness(app_of(tools), url=store_url) as h:
        session = await h.start("caller", input={"tool": "things.order", "arguments": {"thing": "cup"}})
        ask = await session.wait_interrupt()
        await session.wait_waiting()
        if dies == "worker":
            await h.kill_worker()
        else:
            other = await h.start("caller", input={"tool": "things.die"})
            await other.wait_finished()
        await session.answer(ask, {"action": "accept", "content": {"size": "S"}})
        assert (await session.wait_finished()).result == ["done", "accept {'size': 'S'}"]
        assert len((await session.state()).interrupts) == 1
        # It asked again, because it had forgotten its state, and was answered without a person; it ordered once.
        assert [line for line in lines(effects) if line != "die"] == [
            *("asked", "asked", "order cup accept {'size': 'S'}")
        ]


async def test_a_server_of_the_older_protocol_in_typescript(store_url: str) -> None:
    tools = older()
    async with harness(app_of(tools), url=store_url) as h:
        session = await h.start("caller", input={"tool": "older.add", "arguments": {"a": 1, "b": 2}})
        assert (await session.wait_finished()).result == ["done", "3"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"action": "accept", "content": {"name": "Ada"}}, "accept"),
        ({"action": "decline"}, "decline"),
        ({"action": "cancel"}, "cancel"),
    ],
)
async def test_it_asks_in_the_middle_of_a_call_and_is_answered_from_any_device(
    store_url: str, answer: dict[str, Any], said: str
) -> None:
    tools = older()
    async with harness(app_of(tools), url=store_url) as h:
        session = await h.start("caller", input={"tool": "older.ask"})
        ask = await session.wait_interrupt()
        other = await h.start("caller", input={"tool": "older.add", "arguments": {"a": 1, "b": 2}})
        assert (await other.wait_finished()).result == ["done", "3"]  # over a connection of its own, meanwhile
        await session.answer(ask, answer)
        assert (await session.wait_finished()).result == ["done", said]


async def test_what_it_asks_again_in_the_same_words_is_asked_again(store_url: str) -> None:
    tools = older()
    async with harness(app_of(tools), url=store_url) as h:
        session = await h.start("caller", input={"tool": "older.ask_twice"})
        for name in ("Ada", "Bob"):
            ask = await session.wait_interrupt()
            await session.answer(ask, {"action": "accept", "content": {"name": name}})
        assert (await session.wait_finished()).result == ["done", "Ada and Bob"]


async def test_two_calls_that_ask_at_once_each_get_their_own_answer(store_url: str) -> None:
    tools = older()
    async with harness(app_of(tools), url=store_url) as h:
        sessions = [await h.start("caller", input={"tool": "older.ask"}) for _ in range(2)]
        asks = [await session.wait_interrupt() for session in sessions]
        for session, ask, action in zip(reversed(sessions), reversed(asks), ("decline", "cancel"), strict=True):
            await session.answer(ask, {"action": action})
        results = [(await session.wait_finished()).result for session in sessions]
        assert results == [["done", "cancel"], ["done", "decline"]]


async def test_a_call_that_its_worker_held_is_lost_with_it_and_not_repeated(store_url: str) -> None:
    tools = older()
    async with harness(app_of(tools), url=store_url) as h:
        session = await h.start("caller", input={"tool": "older.ask"})
        ask = await session.wait_interrupt()
        await asyncio.gather(*(one.closes() for one in tools.values() if one.closes is not None))
        await session.answer(ask, {"action": "accept", "content": {"name": "Ada"}})
        status, said = (await session.wait_finished()).result
        assert status == "failed"
        assert "it may have run" in said


async def test_over_http(store_url: str, effects: Path) -> None:
    port = free_port()
    server = await asyncio.create_subprocess_exec(
        *shlex.split(SERVER), str(port), env={**os.environ, "EFFECTS": str(effects)}
    )
    try:
        await wait_until(lambda: listening(port), "the server listens", 20)
        found = mcp_tools(f"http://127.0.0.1:{port}/mcp", headers={"Authorization": "Bearer x"}, include=["order"])
        tools = {one.name: one.options(approval=False) for one in found}
        async with harness(app_of(tools), url=store_url) as h:
            session = await h.start("caller", input={"tool": "127.0.0.1.order", "arguments": {"thing": "cup"}})
            ask = await session.wait_interrupt()
            await session.answer(ask, {"action": "accept", "content": {"size": "M"}})
            assert (await session.wait_finished()).result == ["done", "accept {'size': 'M'}"]
    finally:
        server.terminate()
        await server.wait()
