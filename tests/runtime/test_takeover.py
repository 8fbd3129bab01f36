"""An operator in the agent's place: the agent is mute until the handback, whatever is sent, answered or restarted."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from holdfast import App, Turn, tool
from holdfast.commands import reading, taking_over
from holdfast.core.errors import Conflict, Forbidden, NotFound
from holdfast.core.identity import OPERATOR, Principal
from holdfast.core.turns import TurnRecord
from holdfast.protocol.frames import Handback, Takeover
from holdfast.testing import Harness, TestSession, harness, person, wait_for


@tool(approval=True)
async def refund(amount: float) -> str:
    return "refunded"


async def record_of(h: Harness, session: TestSession, turn: str | None) -> TurnRecord:
    return (await h.door.read(session.id, turns=(turn or "",))).turns[turn or ""]


async def ended(h: Harness, session: TestSession, turn: str | None) -> TurnRecord:
    async def find() -> TurnRecord | None:
        record = await record_of(h, session, turn)
        return record if record.end else None

    return await wait_for(find, "the turn has ended")


def support(began: list[str], go: asyncio.Event) -> App:
    app = App()

    @app.agent("a", tools=[refund])
    async def agent(turn: Turn) -> dict[str, Any]:
        began.append(turn.message.text)
        if turn.message.text == "refund":
            await turn.call(refund, 5.0)
        if turn.message.text == "work":
            await turn.step("work", go.wait)
        await turn.write("From the agent.")
        return {"history": [[message.role, message.text] for message in turn.history]}

    return app


async def test_the_agent_is_mute_until_the_handback_and_knows_then_what_was_said(store_url: str) -> None:
    began = list[str]()
    async with harness(support(began, asyncio.Event()), url=store_url) as h:
        session = await h.start("a", message="hello")
        await session.wait_finished()
        await session.take_over()
        taken = (await session.state()).session
        assert taken is not None
        assert taken.takeover is not None
        assert taken.takeover.by.id == "olga"
        first = await session.send("is anybody there?")
        second = await session.send("hello?", mode="replace")  # nobody is replaced: it queues
        assert [(one.behind, one.ahead) for one in (first, second)] == [(None, 0), (None, 1)]
        said = await session.send("Olga here.", by="olga")
        assert said.turn is None
        await h.kill_worker()  # and whoever starts anew leaves it alone
        assert (await record_of(h, session, first.turn)).status == "queued"
        back = await session.hand_back()
        assert back.turn == first.turn
        told = (await ended(h, session, first.turn)).result["history"]
        assert told == [["user", "hello"], ["assistant", "From the agent."], ["assistant", "Olga here."]]
        await ended(h, session, second.turn)
        assert began == ["hello", "is anybody there?", "hello?"]
        entry = (await session.state()).messages[said.message or ""].message
        assert (entry.role, (entry.metadata or {})["by"]["id"]) == ("assistant", "olga")


async def test_what_waits_is_answered_meanwhile_and_goes_on_after_the_handback(store_url: str) -> None:
    began = list[str]()
    async with harness(support(began, asyncio.Event()), url=store_url) as h:
        session = await h.start("a", message="refund")
        ask = await session.wait_interrupt(tool=refund)
        turn = (await session.wait_waiting()).id
        await session.take_over()
        assert (await session.approve(ask)).outcome == "won"

        async def unhinted() -> bool | None:  # the worker has looked, and left it
            keys = h.door.keys
            left = await h.connection.execute("ZRANGE", keys.jobs(keys.partition(session.id), "a@1"), 0, -1)
            return True if not left else None

        await wait_for(unhinted, "the worker has passed it over")
        assert ((await record_of(h, session, turn)).status, h.executions(refund)) == ("ready", 0)
        await session.hand_back()
        assert (await ended(h, session, turn)).end == "completed"
        assert h.executions(refund) == 1


async def test_what_runs_is_stopped_and_nothing_starts_after_it(store_url: str) -> None:
    began, go = list[str](), asyncio.Event()
    async with harness(support(began, go), url=store_url) as h:
        session = await h.start("a", message="work")
        turn = (await session.wait_turn("running")).id
        later = await session.send("later")
        await session.take_over()
        go.set()
        assert (await ended(h, session, turn)).end == "cancelled"
        assert (await record_of(h, session, later.turn)).status == "queued"
        await session.send("I have done that.", by="olga")
        await session.hand_back(answered=True)
        assert (await record_of(h, session, later.turn)).end == "cancelled"
        after = await session.send("thanks")
        history = (await ended(h, session, after.turn)).result["history"]
        assert ["user", "later"] in history
        assert ["assistant", "I have done that."] in history
        assert "later" not in began


async def test_who_may_and_what_is_said_twice(store_url: str) -> None:
    async with harness(support([], asyncio.Event()), url=store_url) as h:
        session = await h.start("a", message="hello")
        await session.wait_finished()
        with pytest.raises(Forbidden):
            await taking_over.take_over(h.backend, person("alice"), Takeover("r", session.id), "test")
        stranger = Principal("olga", (OPERATOR,), sessions=("mine",))
        with pytest.raises(NotFound):
            await taking_over.take_over(h.backend, stranger, Takeover("r", session.id), "test")
        olga, otto = person("olga", (OPERATOR,)), person("otto", (OPERATOR,))
        with pytest.raises(Conflict):
            await taking_over.hand_back(h.backend, olga, Handback("r", session.id), "test")
        first = await taking_over.take_over(h.backend, olga, Takeover("r1", session.id), "test")
        assert await taking_over.take_over(h.backend, olga, Takeover("r1", session.id), "test") == first
        assert (await taking_over.take_over(h.backend, olga, Takeover("r2", session.id), "test")).seq == first.seq
        await taking_over.take_over(h.backend, otto, Takeover("r3", session.id), "test")  # from the other one
        assert (await session.send("Olga?", by="olga")).turn is not None  # she speaks as anybody now
        await taking_over.hand_back(h.backend, olga, Handback("r4", session.id), "test")
        shown = await reading.snapshot(h.backend, olga, session.id, None)
        assert "takeover" not in msgspec.to_builtins(shown)["snapshot"]["session"]
