"""Graphs as agents: real LangGraph, LangChain's own agent and middleware, a checkpointer in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from langgraph.graph import START, StateGraph
from tests.agents.graphs import app_in
from tests.waiting import wait_until

from holdfast import Match, Policy, Rule
from holdfast.agents import from_langgraph
from holdfast.commands import sending
from holdfast.core.errors import Unusable
from holdfast.core.interrupts import Interrupt
from holdfast.protocol import frames
from holdfast.testing import TestSession, harness, person


def forget(folder: Path) -> None:
    for file in folder.glob("graphs.db*"):
        file.unlink()


def effects(folder: Path) -> list[str]:
    path = folder / "effects"
    return path.read_text().splitlines() if path.exists() else []


async def parts(session: TestSession) -> list[dict[str, Any]]:
    state = await session.state()
    return [part for one in state.ordered if one.message.role == "assistant" for part in one.message.parts]


async def tools(session: TestSession) -> list[tuple[str, str, Any]]:
    shown = [part for part in await parts(session) if part["type"].startswith("tool-")]
    return [(part["type"], part["state"], part.get("output", part.get("errorText"))) for part in shown]


async def asks_of(session: TestSession) -> list[Interrupt]:
    return [msgspec.convert(one, Interrupt) for one in (await session.state()).interrupts.values()]


@pytest.mark.parametrize("agent", ["batched", "per_call"])
async def test_its_call_waits_for_a_human_and_is_made_once(agent: str, store_url: str, tmp_path: Path) -> None:
    async with harness(app_in(tmp_path), url=store_url) as h:
        session = await h.start(agent, message="both A-17 200")
        ask = await session.wait_interrupt()
        assert (ask.kind, ask.toolName, ask.input) == ("approval", "refund", {"order": "A-17", "amount": "200"})
        await session.wait_waiting()
        await h.kill_worker()
        await session.approve(ask, by="bob")
        ended = await session.wait_finished()
        assert await tools(session) == [
            ("tool-look", "output-available", {"order": "A-17"}),
            ("tool-refund", "output-available", "200 for A-17"),
        ]
        [refund] = [part for part in await parts(session) if part["type"] == "tool-refund"]
    assert refund["toolCallId"] == ask.toolCallId
    assert sorted(effects(tmp_path)) == ["look A-17", "model", "model", "refund A-17 200"]
    assert ended.result == 'look: {"order": "A-17"}. refund: 200 for A-17.'


@pytest.mark.parametrize("agent", ["batched", "per_call"])
async def test_a_no_is_told_with_its_reason(agent: str, store_url: str, tmp_path: Path) -> None:
    async with harness(app_in(tmp_path), url=store_url) as h:
        session = await h.start(agent, message="refund A-17 200")
        await session.deny(await session.wait_interrupt(), reason="too much")
        ended = await session.wait_finished()
        [refund] = [part for part in await parts(session) if part["type"] == "tool-refund"]
    assert effects(tmp_path) == ["model", "model"]
    assert (refund["state"], refund["approval"]["reason"]) == ("output-denied", "too much")
    assert "with reason: too much" in ended.result


@pytest.mark.parametrize("agent", ["batched", "per_call"])
async def test_edited_arguments_are_what_runs(agent: str, store_url: str, tmp_path: Path) -> None:
    async with harness(app_in(tmp_path), url=store_url) as h:
        session = await h.start(agent, message="refund A-17 200")
        await session.approve(await session.wait_interrupt(), input={"order": "A-17", "amount": 50})
        await session.wait_finished()
    assert "refund A-17 50" in effects(tmp_path)


async def test_what_expired_is_told_as_neither_yes_nor_no(store_url: str, tmp_path: Path) -> None:
    async with harness(app_in(tmp_path), url=store_url) as h:
        session = await h.start("batched", message="refund A-17 200")
        await session.wait_waiting()
        await h.advance("8 days")
        ended = await session.wait_finished()
    assert effects(tmp_path) == ["model", "model"]
    assert "neither a yes nor a no" in ended.result


async def test_questions_gates_and_forms_are_resumed_by_their_ids(store_url: str, tmp_path: Path) -> None:
    async with harness(app_in(tmp_path), url=store_url) as h:
        session = await h.start("questions", input={})
        await session.wait_waiting()
        asks = {ask.kind: ask for ask in await asks_of(session)}
        assert {kind: ask.message for kind, ask in asks.items()} == {
            "question": "What name?",
            "gate": "Sure?",
            "form": "Where?",
        }
        await session.answer(asks["form"], {"action": "accept", "content": {"street": "Main", "number": 7}})
        await session.deny(asks["gate"])
        await h.kill_worker()
        await session.answer(asks["question"], {"text": "Ada"})
        ended = await session.wait_finished()
    said = dict(ended.result["said"])
    assert (said["bare"], said["gate"]) == ("Ada", False)
    assert "Main" in str(said["form"])


async def test_breakpoints_custom_data_and_a_tool_that_asks_in_the_middle(store_url: str, tmp_path: Path) -> None:
    async with harness(app_in(tmp_path), url=store_url) as h:
        session = await h.start("travels", message="Go")
        stop = await session.wait_interrupt()
        assert (stop.kind, stop.toolName, stop.input) == ("gate", "breakpoint", {"next": ["tools"]})
        await session.approve(stop)
        await session.wait_waiting()
        asked = (await asks_of(session))[-1]
        assert (asked.kind, asked.input) == ("gate", {"to": "Bern"})
        await h.kill_worker()
        await session.deny(asked)
        await session.wait_finished()
        data = {part["type"]: part["data"] for part in await parts(session) if part["type"].startswith("data-")}
        assert await tools(session) == [("tool-book", "output-available", "Bern, {'class': 'second', 'to': 'Bern'}")]
    assert data == {"data-plan": {"step": 1}, "data-custom": {"trip": {"to": "Bern"}}}


async def test_a_breakpoint_that_is_refused_ends_the_turn(store_url: str, tmp_path: Path) -> None:
    async with harness(app_in(tmp_path), url=store_url) as h:
        session = await h.start("travels", message="Go")
        await session.deny(await session.wait_interrupt(), reason="not today")
        ended = await session.wait_finished()
    assert ended.error is not None
    assert "It was not let on to tools. Denied" in ended.error["message"]


async def test_it_remembers_and_a_branch_goes_on_from_before(store_url: str, tmp_path: Path) -> None:
    async with harness(app_in(tmp_path), url=store_url) as h:
        session = await h.start("batched", message="look A-17")
        await session.wait_finished()
        await session.send("look B-3")
        await says(session, "B-3")
        await session.send("count")
        await says(session, "3 things were said.")
        said = [one.message.id for one in (await session.state()).ordered if one.message.role == "user"]
        frame = frames.Send("again", session.id, "count", replaces=said[1])
        await sending.send(h.backend, person("alice"), frame, "test")
        await says(session, "2 things were said.")


async def test_what_a_cancelled_turn_was_told_is_told_again(store_url: str, tmp_path: Path) -> None:
    async with harness(app_in(tmp_path), url=store_url) as h:
        session = await h.start("batched", message="refund A-17 200")
        await session.wait_waiting()
        await session.cancel()
        await session.wait_finished()
        await session.send("count")
        await says(session, "2 things were said.")


async def test_a_crash_in_a_tool_asks_an_operator_and_repeats_nothing_else(store_url: str, tmp_path: Path) -> None:
    async with harness(app_in(tmp_path), url=store_url) as h:
        session = await h.start("free", message="both DIE 200")
        await wait_until(lambda: "refund DIE 200" in effects(tmp_path), "the refund runs")
        await h.kill_worker()
        doubt = await session.wait_interrupt(kind="in_doubt")
        assert (doubt.toolName, doubt.input) == ("refund", {"order": "DIE", "amount": "200"})
        await session.answer(doubt, {"ran": False}, by="olga", roles=("operator",))
        await wait_until(lambda: effects(tmp_path).count("refund DIE 200") == 2, "it is run again")
    assert effects(tmp_path).count("look DIE") == effects(tmp_path).count("model") == 1


async def test_without_records_of_its_own_it_goes_on_only_if_an_operator_says_so(
    store_url: str, tmp_path: Path
) -> None:
    async with harness(app_in(tmp_path), url=store_url) as h:
        session = await h.start("plain", message="refund DIE 200")
        await session.approve(await session.wait_interrupt())
        await wait_until(lambda: "refund DIE 200" in effects(tmp_path), "the refund runs")
        await h.kill_worker()
        doubt = await session.wait_interrupt(kind="in_doubt")
        assert "refund" in (doubt.message or "")
        assert effects(tmp_path) == ["model", "refund DIE 200"]
        await session.answer(doubt, {"ran": False}, by="olga", roles=("operator",))
        await wait_until(lambda: effects(tmp_path).count("refund DIE 200") == 2, "it is run again")
    assert effects(tmp_path).count("model") == 1


async def test_a_worker_that_died_between_two_nodes_repeats_neither(store_url: str, tmp_path: Path) -> None:
    """The model's second response is cut off: what the first one said, and what the tool gave, is shown once more."""
    async with harness(app_in(tmp_path), url=store_url) as h:
        session = await h.start("free", message="look SLOW")
        await wait_until(lambda: effects(tmp_path).count("model") == 2, "the model is asked again")
        await h.kill_worker()
        (tmp_path / "go").touch()
        ended = await session.wait_finished()
        assert await tools(session) == [("tool-look", "output-available", {"order": "SLOW"})]
        assert await session.text() == 'Let me see.look: {"order": "SLOW"}.'
    assert ended.result == 'look: {"order": "SLOW"}.'
    assert effects(tmp_path).count("look SLOW") == 1


async def test_cancelling_ends_what_runs_in_the_graph(store_url: str, tmp_path: Path) -> None:
    async with harness(app_in(tmp_path), url=store_url) as h:
        session = await h.start("free", message="look SLOW")
        await wait_until(lambda: effects(tmp_path).count("model") == 2, "the model is asked again")
        await session.cancel()
        assert (await session.wait_finished()).end == "cancelled"


async def test_a_policy_stops_what_the_graph_would_let_pass(store_url: str, tmp_path: Path) -> None:
    policy = Policy(rules=[Rule(action="auto_deny", match=Match(tool="look"), reason="closed today")])
    async with harness(app_in(tmp_path, policy), url=store_url) as h:
        session = await h.start("free", message="look A-17")
        ended = await session.wait_finished()
        assert [state for _, state, _ in await tools(session)] == ["output-denied"]
    assert effects(tmp_path) == ["model", "model"]
    assert "closed today" in ended.result


async def test_a_checkpointer_that_forgot_is_said(store_url: str, tmp_path: Path) -> None:
    async with harness(app_in(tmp_path), url=store_url) as h:
        session = await h.start("batched", message="refund A-17 200")
        ask = await session.wait_interrupt()
        await h.stop_worker()
        forget(tmp_path)
        await h.start_worker()
        await session.approve(ask)
        ended = await session.wait_finished()
    assert ended.error is not None
    assert "it must be one that lasts" in ended.error["message"]


def test_a_graph_without_a_checkpointer_is_refused() -> None:
    graph = StateGraph(dict).add_node("a", lambda _: {}).add_edge(START, "a").compile()
    with pytest.raises(Unusable, match="checkpointer"):
        from_langgraph(graph)


async def says(session: TestSession, text: str) -> None:
    async def found() -> bool:
        return text in await session.text()

    await wait_until(found, f"it says {text!r}")
