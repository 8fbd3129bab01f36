"""What all adapters share: another framework's calls as our interrupts, on the part that it began, answered in full."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from holdfast import App, Match, Policy, Rule, Turn
from holdfast.agents.foreign.driving import Pieces, Stretch, drive
from holdfast.agents.foreign.pending import Answer, AskRules, Ended, Pending
from holdfast.agents.foreign.shown import CHUNK_MAX_BYTES, TOO_LONG, AgentFailed, Carried, Shown
from holdfast.core.errors import BadInput
from holdfast.core.interrupts import Interrupt
from holdfast.runtime.stepping import Final
from holdfast.testing import TestSession, harness, wait_until

SCHEMA = {
    "type": "object",
    "properties": {"order": {"type": "string"}, "amount": {"type": "number"}},
    "required": ["order", "amount"],
    "additionalProperties": False,
}


class Refunds:
    """A framework of a few lines: it proposes these, pauses, and runs what it may."""

    def __init__(self, *pending: Pending) -> None:
        self.pending = pending
        self.runs = 0
        self.ran: list[Any] = []
        self.states: list[Any] = []

    async def run(self, stretch: Stretch, states: list[Any], answers: list[Answer]) -> Pieces:
        self.runs += 1
        if not answers:
            yield "I would. "
            for one in self.pending:
                if one.call:
                    yield {"type": "tool-input-start", "toolCallId": one.call, "toolName": one.name, "dynamic": True}
            yield {"type": "finish-step"}
            yield Final(Ended({"so": "far"}, list(self.pending)))
            return
        self.states = states
        yield {"type": "start-step"}
        gave: list[Any] = []
        for answer in answers:
            async for piece in self._carry_out(stretch, answer, gave):
                yield piece
        yield Final(Ended(result=gave))

    async def _carry_out(self, stretch: Stretch, answer: Answer, gave: list[Any]) -> Any:
        one, result = answer.pending, answer.result
        if one.kind != "approval":
            gave.append([result.status, result.returned])
            return
        call = {"toolCallId": one.call, "toolName": one.name}
        yield {"type": "tool-input-available", "input": one.input, **call}
        if not result.ok:
            gave.append([result.status, result.reason])
            yield {"type": "tool-output-error", "errorText": "refused", **call}
            return
        output = await stretch.effect(one.name, one.id, result.input, lambda: self._refund(result.input))
        gave.append([result.status, output])
        yield {"type": "tool-output-available", "output": output, **call}

    async def _refund(self, values: Any) -> str:
        self.ran.append(values)
        return f"refunded {values['amount']}"


def refund(call: str = "c1", amount: float = 200) -> Pending:
    values = {"order": "A-17", "amount": amount}
    return Pending("approval", call, "refund", values, "Refund an order.", SCHEMA, call=call)


def app_of(framework: Refunds, asks: Mapping[str, AskRules] | None = None, **options: Any) -> App:
    app = App(**options)

    @app.agent("a")
    async def agent(turn: Turn) -> Any:
        return await drive(turn, "refunds", framework, asks or {})

    return app


async def parts(session: TestSession) -> list[dict[str, Any]]:
    said = [one.message for one in (await session.state()).messages.values() if one.message.role == "assistant"]
    return [part for message in said for part in message.parts if part["type"] != "step-start"]


async def test_a_call_is_shown_as_itself_approved_elsewhere_and_completed_on_the_same_part(store_url: str) -> None:
    framework = Refunds(refund())
    async with harness(app_of(framework), url=store_url) as h:
        session = await h.start("a", message="go")
        ask = await session.wait_interrupt(kind="approval")
        await session.wait_waiting()
        assert (ask.toolName, ask.input, ask.message) == (
            "refund",
            {"order": "A-17", "amount": 200},
            "Refund an order.",
        )
        [_, part] = await parts(session)
        assert (part["type"], part["state"], part["toolCallId"]) == (
            "tool-refund",
            "approval-requested",
            ask.toolCallId,
        )
        await h.kill_worker()
        await session.approve(ask, by="bob")
        assert (await session.wait_finished()).result == [["done", "refunded 200"]]
        text, part = await parts(session)
        assert text["text"] == "I would. "
        assert (part["state"], part["output"], part["input"]) == ("output-available", "refunded 200", ask.input)
        assert part["approval"]["approved"] is True
    assert (framework.runs, framework.ran, framework.states) == (2, [ask.input], [{"so": "far"}])


async def test_edited_arguments_reach_the_framework_and_must_fit_the_tool(store_url: str) -> None:
    framework = Refunds(refund())
    async with harness(app_of(framework), url=store_url) as h:
        session = await h.start("a", message="go")
        ask = await session.wait_interrupt(kind="approval")
        with pytest.raises(BadInput, match="amount"):
            await session.answer(ask, {"approved": True, "input": {"order": "A-17", "amount": "much"}})
        await session.answer(ask, {"approved": True, "input": {"order": "A-17", "amount": 50}})
        assert (await session.wait_finished()).result == [["done", "refunded 50"]]
        part = (await parts(session))[1]
        assert (part["input"], part["output"]) == (ask.input, "refunded 50")  # as proposed; the edit is the decision's
    assert framework.ran == [{"order": "A-17", "amount": 50}]


async def test_what_the_framework_proposes_is_its_own_to_check_and_a_schema_that_is_none_takes_no_edits(
    store_url: str,
) -> None:
    odd = Pending("approval", "c1", "refund", {"amount": "200", "more": None}, schema={"type": "amount"}, call="c1")
    lax = Pending("approval", "c2", "refund", {"order": "A-17", "amount": "200"}, schema=SCHEMA, call="c2")
    framework = Refunds(odd, lax)
    async with harness(app_of(framework), url=store_url) as h:
        session = await h.start("a", message="go")
        await session.wait_waiting()
        asks = [msgspec.convert(one, Interrupt) for one in (await session.state()).interrupts.values()]
        assert [(ask.editable, ask.input) for ask in asks] == [(False, odd.input), (True, lax.input)]
        for ask in asks:
            await session.approve(ask)
        await session.wait_finished()
    assert framework.ran == [odd.input, lax.input]


async def test_a_refusal_reaches_the_framework_word_for_word_and_its_own_word_does_not_show(store_url: str) -> None:
    framework = Refunds(refund())
    async with harness(app_of(framework), url=store_url) as h:
        session = await h.start("a", message="go")
        await session.deny(await session.wait_interrupt(kind="approval"), reason="not twice")
        assert (await session.wait_finished()).result == [["denied", "not twice"]]
        part = (await parts(session))[1]
        assert (part["state"], part["approval"]["reason"]) == ("output-denied", "not twice")
    assert framework.ran == []


async def test_what_was_decided_is_in_the_turns_trace(store_url: str) -> None:
    framework, app = Refunds(refund()), App()

    @app.agent("a")
    async def agent(turn: Turn) -> Any:
        await drive(turn, "refunds", framework, {})
        return [(one.tool, one.decision, one.decided_by.id) for one in turn.trace.approvals]

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        await session.approve(await session.wait_interrupt(kind="approval"), by="bob")
        assert (await session.wait_finished()).result == [["refund", "approved", "bob"]]


async def test_rules_decide_by_the_tools_name_before_a_human_must(store_url: str) -> None:
    small = Rule(name="small", action="auto_approve", match=Match(tool="refund", input={"amount": {"lte": 50}}))
    huge = Rule(
        name="huge", action="auto_deny", reason="far too much", match=Match(tool="re*", input={"amount": {"gt": 1000}})
    )
    policy = Policy(rules=[small, huge])
    framework = Refunds(refund("c1", 20), refund("c2", 5_000), refund("c3", 200))
    async with harness(app_of(framework, policy=policy), url=store_url) as h:
        session = await h.start("a", message="go")
        ask = await session.wait_interrupt(kind="approval")
        assert ask.input["amount"] == 200
        await session.approve(ask)
        turn = await session.wait_finished()
        assert turn.result == [["done", "refunded 20"], ["denied", "far too much"], ["done", "refunded 200"]]
        assert [part["state"] for part in (await parts(session))[1:]] == [
            "output-available",
            "output-denied",
            "output-available",
        ]
    assert [one["amount"] for one in framework.ran] == [20, 200]


async def test_an_app_that_lets_its_own_tools_pass_still_asks_where_the_framework_stopped(store_url: str) -> None:
    framework = Refunds(refund())
    async with harness(app_of(framework, default_approval=False), url=store_url) as h:
        session = await h.start("a", message="go")
        await session.deny(await session.wait_interrupt(kind="approval"))
        await session.wait_finished()
    assert framework.ran == []


async def test_a_standing_yes_holds_for_the_next_one(store_url: str) -> None:
    framework = Refunds(refund())
    async with harness(app_of(framework), url=store_url) as h:
        session = await h.start("a", message="go")
        ask = await session.wait_interrupt(kind="approval")
        await session.answer(ask, {"approved": True, "grant": {"scope": "session", "input": {}}})
        await session.wait_finished()
        await session.send("again")
        await wait_until(lambda: len(framework.ran) == 2, "the second one passed")
        assert len((await session.state()).interrupts) == 1


async def test_whom_it_asks_is_said_by_the_tools_name(store_url: str) -> None:
    framework = Refunds(refund())
    rules: dict[str, AskRules] = {"refund": {"approvers": "role:finance", "expires": "1h", "editable": False}}
    async with harness(app_of(framework, rules), url=store_url) as h:
        session = await h.start("a", message="go")
        ask = await session.wait_interrupt(kind="approval")
        assert ask.approvers is not None
        assert (ask.approvers.roles, ask.editable) == (("finance",), False)
        await session.wait_waiting()
        await h.advance("2h")
        [[status, _]] = (await session.wait_finished()).result
        assert status == "expired"


async def test_all_kinds_at_once_are_answered_in_the_order_in_which_they_were_asked(store_url: str) -> None:
    schema = {"type": "object", "properties": {"why": {"type": "string"}}, "required": ["why"]}
    framework = Refunds(
        Pending("client_tool", "d1", "location", {}, schema={"type": "string"}, call="d1"),
        Pending("form", "f1", "form", message="Why?", schema=schema),
        Pending("question", "q1", message="Sure?", options={"options": ["yes", "no"]}),
        Pending("gate", "g1", "publish", {"page": 1}, "Publish?"),
    )
    async with harness(app_of(framework), url=store_url) as h:
        session = await h.start("a", message="go")
        await session.wait_waiting()
        answers: dict[str, Any] = {
            "gate": {"approved": True},
            "question": {"selected": ["yes"]},
            "form": {"action": "accept", "content": {"why": "so"}},
            "client_tool": {"output": "here"},
        }
        for kind, payload in answers.items():
            await session.answer(await session.wait_interrupt(kind=kind), payload)
        assert (await session.wait_finished()).result == [
            ["done", "here"],
            ["done", {"why": "so"}],
            ["done", {"selected": ["yes"], "text": None}],
            ["done", True],
        ]
        shown = [(part.get("toolName") or part["type"], part["state"]) for part in (await parts(session))[1:]]
        assert shown[0] == ("tool-location", "output-available")


class TestShown:
    def shown(self, **carried: Carried) -> Shown:
        return Shown("t_1.s_1", "stream:a:1", carried)

    def test_one_id_of_the_framework_in_two_segments_is_two_calls(self) -> None:
        first, second = (Shown("t_1.s_1", f"stream:a:{nth}", {}).call_id("c1") for nth in (1, 2))
        assert first != second

    def test_a_call_left_pending_keeps_its_id_and_shows_its_output_only(self) -> None:
        shown = self.shown(c1=Carried("call_ours", settled=False))
        again = {"type": "tool-input-available", "toolCallId": "c1", "toolName": "t", "input": {}}
        output = {"type": "tool-output-available", "toolCallId": "c1", "output": 1}
        assert list(shown.chunks(again)) == []
        assert list(shown.chunks(output)) == [{**output, "toolCallId": "call_ours"}]

    def test_nothing_more_shows_of_a_call_that_is_settled(self) -> None:
        shown = self.shown(c1=Carried("call_ours", settled=True))
        assert list(shown.chunks({"type": "tool-output-denied", "toolCallId": "c1"})) == []

    def test_the_frame_of_its_message_and_what_it_asks_are_ours(self) -> None:
        for kind in ("start", "finish", "tool-approval-request", "tool-approval-response"):
            assert list(self.shown().chunks({"type": kind, "toolCallId": "c", "approvalId": "c"})) == []
        finish = {"type": "finish", "messageMetadata": {"a": 1}}
        assert list(self.shown().chunks(finish)) == [{"type": "message-metadata", "messageMetadata": {"a": 1}}]

    def test_a_failure_is_raised(self) -> None:
        with pytest.raises(AgentFailed, match="no quota"):
            list(self.shown().chunks({"type": "error", "errorText": "no quota"}))

    def test_what_is_too_long_for_an_event_is_split_or_left_out(self) -> None:
        long = "x" * (CHUNK_MAX_BYTES + 1)
        deltas = list(self.shown().chunks({"type": "text-delta", "id": "1", "delta": long}))
        assert "".join(one["delta"] for one in deltas) == long
        assert len(deltas) > 1
        [output] = self.shown().chunks({"type": "tool-output-available", "toolCallId": "c", "output": long})
        assert output["output"] == TOO_LONG
        [left] = self.shown().chunks({"type": "data-page", "data": long})
        assert left == {"type": "data-left-out", "data": {"type": "data-page", "why": TOO_LONG}}
        with pytest.raises(AgentFailed, match="longer than can be shown"):
            list(
                self.shown().chunks({"type": "tool-input-available", "toolCallId": "c", "toolName": "t", "input": long})
            )
