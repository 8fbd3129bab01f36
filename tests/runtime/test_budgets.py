"""Budgets and what nobody has approved before: counted exactly, asked about once, and never counted twice."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from holdfast import App, Budget, Match, Policy, Rule, Turn, client_tool, tool
from holdfast.core.errors import BadInput
from holdfast.core.ids import wide_home
from holdfast.core.interrupts import Interrupt
from holdfast.runtime.backing import Backing
from holdfast.runtime.policies import Policies
from holdfast.testing import Harness, TestSession, harness, wait_for


@tool(approval=False, editable=True)
async def pay(amount: float, to: str = "bob") -> str:
    return f"paid {amount}"


@client_tool
async def ring(amount: float) -> str: ...


def app_of(policy: Policy, called: Any = pay) -> App:
    """An agent that calls the tool once for each number in its message: one after the other, or (`+`) at once."""
    app = App(policy=policy)

    @app.agent("support", tools=[called])
    async def support(turn: Turn) -> list[str]:
        if "+" in turn.message.text:
            amounts = [float(number) for number in turn.message.text.split("+")]
            return [one.status for one in await turn.all(*(turn.call(called, amount=amount) for amount in amounts))]
        return [(await turn.call(called, amount=float(number))).status for number in turn.message.text.split()]

    return app


def budget(**rules: Any) -> Policy:
    return Policy(budgets=[Budget(name="pocket", tool="pay", **rules)])


async def asked(session: TestSession) -> list[Interrupt]:
    await session.wait_waiting()
    return [
        await session.wait_interrupt(tool=pay)
        for shown in (await session.state()).interrupts.values()
        if "decision" not in shown
    ]


async def used(h: Harness, home: str) -> list[str]:
    return [str(counter.used) for counter in (await h.door.standing(home)).counters.values()]


async def test_a_call_that_would_go_over_is_asked_about_and_counts_when_approved(store_url: str) -> None:
    async with harness(app_of(budget(amount="input.amount", limit=100)), url=store_url) as h:
        session = await h.start("support", message="60 40 0.5 7")
        ask = await session.wait_interrupt(tool=pay)
        assert h.executions(pay) == 2
        assert ask.message == "The budget 'pocket' (session) has used 100 of 100; this call would take 0.5."
        assert ask.metadata == {
            "policy": {"rule": "budget pocket", "reason": ask.message},
            "budgets": [{"name": "pocket", "used": 100, "limit": 100, "amount": 0.5, "per": ["session"]}],
        }
        assert not ask.grantable
        await session.approve(ask)
        second = await session.wait_interrupt(tool=pay)
        assert second.metadata is not None
        assert second.metadata["budgets"][0]["used"] == 100.5
        await session.deny(second)
        assert (await session.wait_finished()).result == ["done", "done", "done", "denied"]
        assert await used(h, session.id) == ["100.5"]


async def test_tenths_add_up(store_url: str) -> None:
    async with harness(app_of(budget(amount="input.amount", limit=0.3)), url=store_url) as h:
        session = await h.start("support", message="0.1 0.1 0.1")
        assert (await session.wait_finished()).result == ["done", "done", "done"]


async def test_two_calls_at_once_want_the_last_unit(store_url: str) -> None:
    async with harness(app_of(budget(calls=1)), url=store_url) as h:
        session = await h.start("support", message="1+2")
        ask = await session.wait_interrupt(tool=pay)
        await session.wait_waiting()
        assert h.executions(pay) == 1
        await session.approve(ask)
        assert (await session.wait_finished()).result == ["done", "done"]
        assert await used(h, session.id) == ["2"]


@pytest.mark.parametrize("per", ["person", "agent", "day", ("person", "agent", "month")])
async def test_many_sessions_want_the_last_units(per: Any, store_url: str) -> None:
    policy = budget(calls=3, per=per)
    async with harness(app_of(policy), url=store_url) as h:
        sessions = await asyncio.gather(*(h.start("support", message="1") for _ in range(8)))
        await asyncio.gather(*(_finished_or_waiting(session) for session in sessions))
        assert h.executions(pay) == 3
        waiting = [session for session in sessions if not await _ended(session)]
        assert len(waiting) == 5
        ask = await waiting[0].wait_interrupt(tool=pay)
        assert ask.metadata is not None
        assert (ask.metadata["budgets"][0]["used"], ask.metadata["budgets"][0]["limit"]) == (3, 3)


async def test_budgets_of_a_person_are_that_persons(store_url: str) -> None:
    async with harness(app_of(budget(calls=1, per="person")), url=store_url) as h:
        for who in ("alice", "bob"):
            session = await h.start("support", message="1", by=who)
            assert (await session.wait_finished()).result == ["done"]
        session = await h.start("support", message="1", by="bob")
        await session.wait_interrupt(tool=pay)


async def test_a_new_day_begins_anew(store_url: str) -> None:
    async with harness(app_of(budget(calls=1, per="day", tz="Europe/Oslo")), url=store_url) as h:
        assert (await (await h.start("support", message="1")).wait_finished()).result == ["done"]
        await (await h.start("support", message="1")).wait_interrupt(tool=pay)
        await h.advance("25 h")
        assert (await (await h.start("support", message="1")).wait_finished()).result == ["done"]


async def test_a_call_that_is_repeated_counts_once(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker dies between counting the call and beginning it: the next one begins it, and counts it no more."""
    reserve, died = Backing.reserve, asyncio.Event()

    async def reserve_and_die(self: Backing) -> None:
        await reserve(self)
        if not died.is_set():
            died.set()
            await asyncio.Event().wait()

    monkeypatch.setattr(Backing, "reserve", reserve_and_die)
    async with harness(app_of(budget(calls=1, per="person")), url=store_url) as h:
        session = await h.start("support", message="1")
        await asyncio.wait_for(died.wait(), 10)
        await h.kill_worker()
        assert (await session.wait_finished()).result == ["done"]
        second = await h.start("support", message="1")
        ask = await second.wait_interrupt(tool=pay)
        assert ask.metadata is not None
        assert ask.metadata["budgets"][0]["used"] == 1


async def test_what_is_not_let_go_is_given_back(store_url: str) -> None:
    """The narrower budget refuses after the wider one has counted."""
    policy = Policy(budgets=[Budget(name="all", calls=10, per="day"), Budget(name="here", calls=1, per="session")])
    async with harness(app_of(policy), url=store_url) as h:
        session = await h.start("support", message="1+2")
        await session.deny(await session.wait_interrupt(tool=pay))
        assert sorted((await session.wait_finished()).result) == ["denied", "done"]
        assert await used(h, wide_home("all", "")) == ["1"]


@pytest.mark.parametrize(("amount", "why"), [("-1", "amount is below zero")])
async def test_what_cannot_be_counted_is_asked_about(amount: str, why: str, store_url: str) -> None:
    async with harness(app_of(budget(amount="input.amount", limit=100)), url=store_url) as h:
        session = await h.start("support", message=amount)
        ask = await session.wait_interrupt(tool=pay)
        assert ask.metadata is not None
        assert ask.metadata["budgets"][0]["why"] == why
        await session.approve(ask)
        await session.wait_finished()
        assert await used(h, session.id) == ["0"]


async def test_an_edit_that_goes_over_is_asked_about_again(store_url: str) -> None:
    policy = Policy(
        rules=[Rule(action="require_approval")], budgets=[Budget(name="pocket", amount="input.amount", limit=100)]
    )
    async with harness(app_of(policy), url=store_url) as h:
        session = await h.start("support", message="10")
        first = await session.wait_interrupt(tool=pay)
        assert "budgets" not in (first.metadata or {})
        await session.approve(first, input={"amount": 500, "to": "bob"})
        second = await session.wait_interrupt(tool=pay)
        assert (second.id != first.id, second.input) == (True, {"amount": 500, "to": "bob"})
        assert second.metadata is not None
        assert second.metadata["budgets"][0]["amount"] == 500
        await session.approve(second)
        turn = await session.wait_finished()
        assert turn.result == ["done"]
        operation = (await h.door.operations(turn.id))["tool:pay:1"]
        assert (operation.proposed, operation.input) == ({"amount": 10.0, "to": "bob"}, {"amount": 500, "to": "bob"})
        assert await used(h, session.id) == ["500.0"]


async def test_a_device_is_asked_within_a_budget(store_url: str) -> None:
    policy = Policy(budgets=[Budget(name="rings", tool="ring", calls=1)])
    async with harness(app_of(policy, ring), url=store_url) as h:
        session = await h.start("support", message="1 2")
        await session.answer(await session.wait_interrupt(kind="client_tool"), {"output": "rang"})
        await session.approve(await session.wait_interrupt(kind="approval"))
        await session.answer(await session.wait_interrupt(kind="client_tool"), {"output": "rang"})
        assert (await session.wait_finished()).result == ["done", "done"]


def test_a_time_zone_that_is_none_is_refused() -> None:
    with pytest.raises(BadInput, match="no time zone 'Europe/Atlantis'"):
        Policies(budget(calls=1, tz="Europe/Atlantis"))


# Unseen.

UNSEEN = Policy(rules=[Rule(name="new", action="require_approval", match=Match(unseen=("to", "amount")))])


async def test_what_was_approved_here_is_not_asked_about_again(store_url: str) -> None:
    async with harness(app_of(UNSEEN), url=store_url) as h:
        session = await h.start("support", message="5 5 6 5")
        first = await session.wait_interrupt(tool=pay)
        await session.approve(first)
        second = await session.wait_interrupt(tool=pay)
        assert (first.input["amount"], second.input["amount"]) == (5, 6)
        await session.deny(second)
        assert (await session.wait_finished()).result == ["done", "done", "denied", "done"]
        await session.send("6")
        third = await session.wait_interrupt(tool=pay)
        assert third.input["amount"] == 6, "a denial is no approval"
        await session.approve(third, input={"amount": 7, "to": "bob"})
        await session.wait_finished()
        await session.send("7")
        assert (await session.wait_finished()).result == ["done"], "what counts is what was approved"
        other = await h.start("support", message="5")
        await other.wait_interrupt(tool=pay)


async def test_a_deadline_that_approves_makes_nothing_seen(store_url: str) -> None:
    policy = Policy(rules=UNSEEN.rules, expires="1 h", on_expiry="approve")
    async with harness(app_of(policy), url=store_url) as h:
        session = await h.start("support", message="5 5")
        await session.wait_waiting()
        await h.advance("2 h")
        await session.wait_interrupt(tool=pay)
        assert h.executions(pay) == 1


async def _ended(session: TestSession) -> bool:
    return list((await session.state()).turns.values())[-1].status == "finished"


async def _finished_or_waiting(session: TestSession) -> None:
    async def find() -> bool | None:
        turns = list((await session.state()).turns.values())
        return True if turns and turns[-1].status in ("finished", "waiting") else None

    await wait_for(find, "the turn is finished or waits")
