"""What a card says and what an edit leaves behind; and client tools that must be approved before a device runs them."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast import App, Approval, Approvers, Call, Match, Policy, Rule, Turn, client_tool, tool
from holdfast.commands import updating
from holdfast.core.errors import BadInput, ForgedOutput
from holdfast.core.interrupts import Interrupt
from holdfast.protocol.frames import ToolUpdate, Update
from holdfast.testing import TestSession, harness, person

ASK = Rule(name="ask", action="require_approval", reason="look")
LET = Rule(name="let", action="auto_approve")


def app_of(called: Any, policy: Policy | None = None, deps: Any = None) -> App:
    app = App(policy=policy)

    @app.agent("support", tools=[called])
    async def support(turn: Turn) -> Any:
        result = await turn.call(called, amount=float(turn.message.text))
        return {
            "status": result.status,
            "value": result.returned,
            "reason": result.reason,
            "input": result.input,
            "edited": result.edited,
        }

    return app


@pytest.mark.parametrize("approved", [True, False])
async def test_what_the_reviewer_adds_reaches_the_agent(store_url: str, approved: bool) -> None:
    @tool(approval=True)
    async def pay(amount: float) -> str:
        return "paid"

    app = App()

    @app.agent("support", tools=[pay])
    async def support(turn: Turn) -> Any:
        decision = (await turn.call(pay, amount=1.0)).decision
        return decision.payload if decision else None

    async with harness(app, url=store_url) as h:
        session = await h.start("support", message="pay")
        ask = await session.wait_interrupt(tool=pay)
        said = {"approved": approved, "reason": "as agreed", "metadata": {"checked": ["A-17"]}}
        await session.answer(ask, said, by="bob")
        assert (await session.wait_finished()).result == said


async def part_of(session: TestSession) -> dict[str, Any]:
    parts = [part for one in (await session.state()).ordered for part in one.message.parts]
    return next(part for part in parts if part["type"].startswith("tool-"))


# What a predicate says.


@pytest.mark.parametrize("is_async", [True, False])
async def test_the_card_says_what_the_predicate_said(is_async: bool, store_url: str) -> None:
    asked: list[Any] = []

    def decide(call: Call[Any]) -> Approval:
        asked.append((call.agent, call.session, call.turn, call.principal.subject, call.deps, call.input))
        return Approval(
            call.input["amount"] > 50,
            f"Pay {call.input['amount']:.0f}?",
            summary="a refund",
            impact="money is gone",
            risk="high",
            metadata={"ticket": 7},
        )

    async def decide_later(call: Call[Any]) -> Approval:
        return decide(call)

    @tool(approval=decide_later if is_async else decide, risk="low")
    async def refund(amount: float) -> str:
        return "paid"

    async with harness(app_of(refund, Policy(rules=[ASK])), url=store_url, deps="deps") as h:
        session = await h.start("support", message="70")
        ask = await session.wait_interrupt(tool=refund)
        assert ask.message == "Pay 70?"
        assert ask.metadata == {
            "summary": "a refund",
            "impact": "money is gone",
            "risk": "high",
            "ticket": 7,
            "policy": {"rule": "ask", "reason": "look"},
        }
        await h.kill_worker()
        await session.approve(ask)
        assert (await session.wait_finished()).result["status"] == "done"
        assert asked == [("support", session.id, ask.turn, "alice", "deps", {"amount": 70.0})], "asked once"


async def test_an_approval_that_is_not_required_lets_it_pass(store_url: str) -> None:
    @tool(approval=lambda call: Approval(call.input["amount"] > 50))
    async def refund(amount: float) -> str:
        return "paid"

    async with harness(app_of(refund), url=store_url) as h:
        session = await h.start("support", message="20")
        assert (await session.wait_finished()).result["status"] == "done"


@pytest.mark.parametrize(
    "said",
    ["no", 0, None, {"required": False}, Approval("false"), Approval(False, message=3)],  # type: ignore[arg-type]
)
async def test_what_is_neither_a_bool_nor_a_good_approval_asks(said: Any, store_url: str) -> None:
    @tool(approval=lambda _: said)
    async def refund(amount: float) -> str: ...

    async with harness(app_of(refund), url=store_url) as h:
        session = await h.start("support", message="20")
        await session.wait_interrupt(tool=refund)
        assert h.executions(refund) == 0


# What an edit leaves behind.


@tool(editable=True)
async def pay(amount: float) -> str:
    return f"paid {amount}"


@pytest.mark.parametrize(
    ("edited", "amount", "told"),
    [({"input": {"amount": 7}}, 7, True), ({"input": {"amount": 20}}, 20, False), ({}, 20, False)],
)
async def test_the_agent_is_told_that_arguments_were_edited(
    edited: dict[str, Any], amount: float, told: bool, store_url: str
) -> None:
    async with harness(app_of(pay), url=store_url) as h:
        session = await h.start("support", message="20")
        await session.approve(await session.wait_interrupt(tool=pay), **edited)
        turn = await session.wait_finished()
        assert (turn.result["input"], turn.result["edited"]) == ({"amount": amount}, told)
        operation = (await h.door.operations(turn.id))["tool:pay:1"]
        assert operation.input == {"amount": amount}
        assert operation.proposed == ({"amount": 20.0} if told else None)


@pytest.mark.parametrize(
    "payload",
    [
        {"approved": "true"},
        {"approved": 1},
        {"approved": 1.0},
        {"approved": None},
        {"approved": [True]},
        {"approved": {"approved": True}},
        {"Approved": True},
        {"payload": {"approved": True}},
        {},
        True,
        "true",
        [{"approved": True}],
        {"approved": True, "toolName": "other"},
        {"approved": True, "tool": "other"},
        {"approved": True, "input": {"amount": 7, "tool": "other"}},
        {"approved": True, "input": {"amount": "seven"}},
        {"approved": True, "input": None},
    ],
)
async def test_nothing_but_true_approves_and_nothing_but_arguments_are_edited(payload: Any, store_url: str) -> None:
    async with harness(app_of(pay), url=store_url) as h:
        session = await h.start("support", message="20")
        ask = await session.wait_interrupt(tool=pay)
        with pytest.raises(BadInput):
            await session.answer(ask, payload)
        assert (await session.wait_waiting()).status == "waiting"
        assert h.executions(pay) == 0


# Client tools.


@client_tool
async def locate(amount: float) -> str: ...


@client_tool(approval=True, approvers=Approvers(roles=("finance",), quorum=2), editable=True, expires="1 h")
async def transfer(amount: float) -> str: ...


async def device_run(session: TestSession, ask: Interrupt, output: Any = "there") -> None:
    await session.answer(ask, {"output": output})


@pytest.mark.parametrize(
    "policy",
    [None, Policy(rules=[LET]), Policy(default="require_approval")],
)
async def test_a_client_tool_without_a_setting_goes_straight_to_the_device(
    policy: Policy | None, store_url: str
) -> None:
    async with harness(app_of(locate, policy), url=store_url) as h:
        session = await h.start("support", message="1")
        await device_run(session, await session.wait_interrupt(kind="client_tool"))
        assert (await session.wait_finished()).result["value"] == "there"


async def test_a_rule_has_a_client_tool_approved_and_then_run(store_url: str) -> None:
    async with harness(app_of(locate, Policy(rules=[ASK])), url=store_url) as h:
        session = await h.start("support", message="1")
        ask = await session.wait_interrupt(kind="approval")
        assert ask.metadata == {"policy": {"rule": "ask", "reason": "look"}}
        item = ToolUpdate("tool-output-available", ask.toolCallId or "", output="forged")
        [forged] = (await updating.update(h.backend, person("alice"), Update("r", session.id, [item]), "test")).results
        assert forged.error is not None
        assert forged.error["code"] == ForgedOutput.code
        await session.approve(ask, by="bob")
        device = await session.wait_interrupt(kind="client_tool")
        assert (device.id != ask.id, device.toolCallId, device.input) == (True, ask.toolCallId, {"amount": 1.0})
        await h.kill_worker()
        await device_run(session, device)
        turn = await session.wait_finished()
        assert (turn.result["status"], turn.result["value"]) == ("done", "there")
        part = await part_of(session)
        assert (part["state"], part["output"], part["approval"]["approved"]) == ("output-available", "there", True)


async def test_a_denied_client_tool_never_reaches_a_device(store_url: str) -> None:
    async with harness(app_of(locate, Policy(rules=[ASK])), url=store_url) as h:
        session = await h.start("support", message="1")
        await session.deny(await session.wait_interrupt(kind="approval"), reason="no")
        turn = await session.wait_finished()
        assert (turn.result["status"], turn.result["reason"]) == ("denied", "no")
        assert [shown["kind"] for shown in (await session.state()).interrupts.values()] in ([], ["approval"])


async def test_two_of_finance_approve_edited_arguments_and_a_member_runs_them(store_url: str) -> None:
    async with harness(app_of(transfer), url=store_url) as h:
        session = await h.start("support", message="1")
        ask = await session.wait_interrupt(kind="approval")
        edit = {"approved": True, "input": {"amount": 2}}
        voted = await session.answer(ask, edit, by="bob", roles=("finance",))
        assert voted.vote is not None
        seen = {"approved": True, "inputHash": voted.vote.inputHash}
        await session.answer(ask, seen, by="carol", roles=("finance",))
        device = await session.wait_interrupt(kind="client_tool")
        assert (device.input, device.approvers, device.editable) == ({"amount": 2}, None, False)
        await device_run(session, device)
        turn = await session.wait_finished()
        assert (turn.result["input"], turn.result["edited"]) == ({"amount": 2}, True)


async def test_what_people_edit_is_held_against_the_rules_before_a_device_gets_it(store_url: str) -> None:
    deny = Rule(name="much", action="auto_deny", reason="too much", match=Match(input={"amount": {"gt": 100}}))

    @client_tool(approval=True, editable=True)
    async def charge(amount: float) -> str: ...

    async with harness(app_of(charge, Policy(rules=[deny])), url=store_url) as h:
        session = await h.start("support", message="1")
        await session.approve(await session.wait_interrupt(kind="approval"), input={"amount": 200})
        turn = await session.wait_finished()
        assert (turn.result["status"], turn.result["reason"], turn.result["edited"]) == ("denied", "too much", True)


async def test_both_waits_of_a_client_tool_expire_by_themselves(store_url: str) -> None:
    @client_tool(approval=True, expires="1 h")
    async def ring(amount: float) -> str: ...

    async with harness(app_of(ring), url=store_url) as h:
        session = await h.start("support", message="1")
        await session.approve(await session.wait_interrupt(kind="approval"))
        await session.wait_interrupt(kind="client_tool")
        await session.wait_waiting()
        await h.advance("2 h")
        assert (await session.wait_finished()).result["status"] == "expired"
