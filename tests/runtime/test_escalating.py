"""Ladders at work: a real store, a real worker, sweepers; the clock is set by hand."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from holdfast import App, Approvers, HandOver, Match, Policy, Remind, Rule, Turn, client_tool, tool
from holdfast.commands import leaving
from holdfast.core.errors import Forbidden
from holdfast.core.identity import Principal
from holdfast.core.interrupts import Interrupt
from holdfast.runtime.sweeper import Sweeper
from holdfast.testing import Harness, TestSession, harness

LADDER = [Remind("10 min"), HandOver("1 h", "role:manager")]


@tool(approval=True, approvers="role:finance", escalate=LADDER, expires="2 h", on_expiry="escalate")
async def refund(amount: int) -> str:
    """Refund an order."""
    return f"refunded {amount}"


@tool
async def pay(amount: int) -> str:
    """Pay somebody: what happens while nobody decides is for the policy to say."""
    return f"paid {amount}"


@client_tool(escalate=LADDER, expires="2 h")
async def locate() -> str:
    """Say where it is."""


def make_app(policy: Policy | None = None) -> App:
    app = App(policy=policy) if policy else App()

    @app.agent("support", tools=[refund, pay, locate])
    async def support(turn: Turn) -> str:
        match turn.message.text:
            case "refund":
                return (await turn.call(refund, amount=200)).status
            case "pay":
                return (await turn.call(pay, amount=200)).status
            case "locate":
                return (await turn.call(locate)).status
            case "locate if approved":
                return (await turn.call(locate.options(approval=True))).status
            case "two":
                split = Approvers(("finance",), quorum=2, conflict="escalate")
                asked = refund.options(approvers=split, escalate=[HandOver("1 h", "role:manager")])
                return (await turn.call(asked, amount=200)).status
            case kind:
                ask = {"ask": turn.ask, "gate": turn.gate}[kind]
                return (await ask("Now?", approvers="role:finance", escalate=LADDER, expires="1 day")).status

    return app


async def shown(session: TestSession, ask: Interrupt) -> Interrupt:
    fields = (await session.state()).interrupts[ask.id]
    return msgspec.convert({name: value for name, value in fields.items() if name != "decision"}, Interrupt)


async def done_by(session: TestSession, ask: Interrupt) -> list[tuple[str, str]]:
    return [(each.action, each.why) for each in (await shown(session, ask)).escalations]


async def deadlines_of(h: Harness, session: TestSession) -> list[bytes]:
    return await h.connection.execute("ZRANGE", h.door.keys.deadlines(h.door.keys.partition(session.id)), 0, -1)


async def test_a_client_tool_that_no_device_runs_climbs_its_ladder(store_url: str) -> None:
    async with harness(make_app(), url=store_url) as h:
        session = await h.start("support", message="locate")
        ask = await session.wait_interrupt(kind="client_tool")
        await h.advance("61 min")
        assert await done_by(session, ask) == [("remind", "time"), ("hand_over", "time")]


async def test_where_it_is_approved_first_the_ladder_is_the_approvals(store_url: str) -> None:
    async with harness(make_app(), url=store_url) as h:
        session = await h.start("support", message="locate if approved")
        approval = await session.wait_interrupt(kind="approval")
        await h.advance("11 min")
        assert await done_by(session, approval) == [("remind", "time")]
        await session.approve(approval)
        assert (await session.wait_interrupt(kind="client_tool")).ladder == ()


@pytest.mark.parametrize("message", ["refund", "ask", "gate"])
async def test_reminded_then_handed_over_then_answered_by_who_was_asked_last(store_url: str, message: str) -> None:
    async with harness(make_app(), url=store_url) as h:
        session = await h.start("support", message=message)
        ask = await session.wait_interrupt()
        await h.advance("11 min")
        assert await done_by(session, ask) == [("remind", "time")]
        payload: Any = {"text": "yes"} if message == "ask" else {"approved": True}
        with pytest.raises(Forbidden):
            await session.answer(ask, payload, by="mona", roles=("manager",))
        await h.advance("50 min")
        assert await done_by(session, ask) == [("remind", "time"), ("hand_over", "time")]
        answered = await session.answer(ask, payload, by="mona", roles=("manager",))
        assert answered.outcome == "won"
        assert (await session.wait_finished()).result == "done"
        assert [name for name in await deadlines_of(h, session) if ask.id.encode() in name] == []


async def test_whoever_was_asked_first_still_may(store_url: str) -> None:
    async with harness(make_app(), url=store_url) as h:
        session = await h.start("support", message="refund")
        ask = await session.wait_interrupt()
        await h.advance("61 min")
        answered = await session.answer(ask, {"approved": True}, by="fay", roles=("finance",))
        assert answered.outcome == "won"


async def test_who_lost_the_role_meanwhile_may_not(store_url: str) -> None:
    async with harness(make_app(), url=store_url) as h:
        session = await h.start("support", message="refund")
        ask = await session.wait_interrupt()
        with pytest.raises(Forbidden):
            await session.answer(ask, {"approved": True}, by="fay", roles=("intern",))
        assert (await session.answer(ask, {"approved": True}, by="fay", roles=("finance",))).outcome == "won"


async def test_a_ladder_outlives_every_worker_and_acts_once_for_all_sweepers(store_url: str) -> None:
    async with harness(make_app(), url=store_url) as h:
        session = await h.start("support", message="refund")
        ask = await session.wait_interrupt()
        await session.wait_waiting()
        await h.stop_worker()
        others = [Sweeper(h.backend) for _ in range(4)]
        for minutes in range(0, 70, 10):
            if minutes:
                await h.advance("10 min")
            await asyncio.gather(*(each.sweep() for each in others))
        assert await done_by(session, ask) == [("remind", "time"), ("hand_over", "time")]
        await h.start_worker()
        await session.answer(ask, {"approved": True}, by="mona", roles=("manager",))
        assert (await session.wait_finished()).result == "done"


async def test_all_that_was_missed_while_nothing_swept_acts_once(store_url: str) -> None:
    async with harness(make_app(), url=store_url) as h:
        session = await h.start("support", message="refund")
        ask = await session.wait_interrupt()
        await h.advance("90 min")
        assert await done_by(session, ask) == [("remind", "time"), ("hand_over", "time")]
        updates = [event for _, _, event in await session.events() if type(event).__name__ == "InterruptUpdated"]
        assert len(updates) == 1


async def test_a_rung_and_an_answer_in_the_same_instant(store_url: str) -> None:
    """Whichever comes first, the answer wins and the rung leaves nothing behind."""
    async with harness(make_app(), url=store_url) as h:
        sweepers = [Sweeper(h.backend) for _ in range(3)]
        for _ in range(10):
            session = await h.start("support", message="refund")
            ask = await session.wait_interrupt()
            await session.wait_waiting()
            await set_clock(h, "61 min")
            answer = session.answer(ask, {"approved": True}, by="fay", roles=("finance",))
            answered, *_ = await asyncio.gather(answer, *(each.sweep() for each in sweepers))
            assert answered.outcome == "won"
            assert len(await done_by(session, ask)) in (0, 2)
            await h.advance("1 s")
            assert [name for name in await deadlines_of(h, session) if ask.id.encode() in name] == []


async def test_a_clock_that_jumps_back_repeats_nothing(store_url: str) -> None:
    async with harness(make_app(), url=store_url) as h:
        session = await h.start("support", message="refund")
        ask = await session.wait_interrupt()
        await h.advance("61 min")
        before = await done_by(session, ask)
        await set_clock(h, "61 min", back=True)
        await h.sweeper.sweep()
        await h.advance("62 min")
        assert await done_by(session, ask) == before


async def test_expiry_hands_over_and_ends_it_in_the_end(store_url: str) -> None:
    async with harness(make_app(), url=store_url) as h:
        session = await h.start("support", message="refund")
        ask = await session.wait_interrupt()
        await h.advance("121 min")
        assert (await shown(session, ask)).expiresAt == pytest.approx(ask.openedAt + 241 * 60_000, abs=60_000)
        assert (await done_by(session, ask))[-1] == ("hand_over", "expiry")
        assert ((await shown(session, ask)).approvers or Approvers()).roles == ("finance", "manager", "operator")
        await h.advance("121 min")
        assert (await session.wait_finished()).result == "expired"
        assert h.executions(refund) == 0


async def test_an_answer_that_meets_an_overdue_deadline_finds_it_extended(store_url: str) -> None:
    async with harness(make_app(), url=store_url) as h:
        session = await h.start("support", message="refund")
        ask = await session.wait_interrupt()
        await set_clock(h, "121 min")  # no sweeper has been there yet
        answered = await session.answer(ask, {"approved": True}, by="fay", roles=("finance",))
        assert answered.outcome == "won"
        assert (await done_by(session, ask))[-1][1] == "expiry"


async def test_votes_that_differ_are_for_the_manager(store_url: str) -> None:
    async with harness(make_app(), url=store_url) as h:
        session = await h.start("support", message="two")
        ask = await session.wait_interrupt()
        await session.answer(ask, {"approved": True}, by="ann", roles=("finance",))
        no = await session.answer(ask, {"approved": False}, by="ben", roles=("finance",))
        assert (no.outcome, no.decision) == ("recorded", None)
        with pytest.raises(Forbidden):
            await session.answer(ask, {"approved": False}, by="cid", roles=("finance",))
        decided = await session.answer(ask, {"approved": True}, by="mona", roles=("manager",))
        assert decided.outcome == "won"
        assert [vote.by.id for vote in (await shown(session, ask)).votes] == ["ann", "ben", "mona"]
        assert (await session.wait_finished()).result == "done"


async def test_a_policy_says_it_for_tools_that_do_not(store_url: str) -> None:
    always = Rule(action="require_approval", match=Match(tool="pay"))
    policy = Policy(rules=[always], expires="1 day", escalate=[HandOver("5 min", "dora")])
    async with harness(make_app(policy), url=store_url) as h:
        session = await h.start("support", message="pay")
        ask = await session.wait_interrupt()
        assert [rung.names for rung in ask.ladder] == [("dora",)]
        await h.advance("6 min")
        assert (await session.answer(ask, {"approved": True}, by="dora")).outcome == "won"


async def set_clock(h: Harness, duration: str, *, back: bool = False) -> None:
    """Move the store's clock, and sweep nothing."""
    minutes = int(duration.split(maxsplit=1)[0]) * 60_000
    for partition in range(h.door.keys.partitions):
        meta = h.door.keys.meta(partition)
        await h.connection.execute("HINCRBY", meta, "clock_offset_ms", -minutes if back else minutes)


# ---------------------------------------------------------------- nobody is there


async def test_who_is_not_there_is_passed_over_when_it_opens(store_url: str) -> None:
    async with harness(make_app(), url=store_url) as h:
        await h.backend.directory.note(Principal("mona", ("manager",)))
        await h.advance("2 days")  # old enough to say that nobody has a role
        session = await h.start("support", message="refund")
        ask = await session.wait_interrupt()
        assert await done_by(session, ask) == [("unroutable", "nobody_known"), ("hand_over", "unroutable")]
        assert (ask.unroutable, ask.climbed) == (None, 2)  # as it was opened
        answered = await session.answer(ask, {"approved": True}, by="mona", roles=("manager",))
        assert answered.outcome == "won"


async def test_a_first_start_draws_no_conclusions(store_url: str) -> None:
    async with harness(make_app(), url=store_url) as h:
        await h.backend.directory.note(Principal("alice"))
        session = await h.start("support", message="refund")
        ask = await session.wait_interrupt()
        assert (ask.unroutable, ask.escalations) == (None, ())


async def test_all_away_is_said_and_a_deputy_is_enough(store_url: str) -> None:
    async with harness(make_app(), url=store_url) as h:
        fay = Principal("fay", ("finance",))
        await h.backend.directory.note(fay)
        now_ms = await h.backend.directory.now_ms()
        await leaving.leave(h.backend, fay, now_ms + 86_400_000, None)
        session = await h.start("support", message="refund")
        ask = await session.wait_interrupt()
        assert await done_by(session, ask) == [("unroutable", "all_away"), ("hand_over", "unroutable")]
        await leaving.leave(h.backend, fay, now_ms + 86_400_000, "dan")
        session = await h.start("support", message="refund")
        assert (await session.wait_interrupt()).escalations == ()


async def test_a_vote_hands_it_to_somebody_who_is_there(store_url: str) -> None:
    async with harness(make_app(), url=store_url) as h:
        mona = Principal("mona", ("manager",))
        await h.backend.directory.note(Principal("ann", ("finance",)))
        await h.backend.directory.note(mona)
        now_ms = await h.backend.directory.now_ms()
        await leaving.leave(h.backend, mona, now_ms + 86_400_000, None)
        session = await h.start("support", message="two")
        ask = await session.wait_interrupt()
        await session.answer(ask, {"approved": True}, by="ann", roles=("finance",))
        await session.answer(ask, {"approved": False}, by="ben", roles=("finance",))
        await h.advance("1 s")  # the sweeper looks whether the managers are there
        assert (await shown(session, ask)).unroutable == "all_away"
