"""What a turn knows of what was asked before it: pending or superseded, and neither a yes nor a no."""

from __future__ import annotations

from typing import Any

import holdfast
from holdfast import App, Turn, tool
from holdfast.commands import gating
from holdfast.core.turns import TurnRecord
from holdfast.protocol.frames import Gate
from holdfast.testing import Harness, TestSession, harness, person, wait_for


@tool(approval=True)
async def refund(amount: float) -> str:
    return "refunded"


async def result_of(h: Harness, session: TestSession, turn: str | None) -> Any:
    async def ended() -> TurnRecord | None:
        record = (await h.door.read(session.id, turns=(turn or "",))).turns[turn or ""]
        return record if record.end else None

    return (await wait_for(ended, "the turn has ended")).result


def asking() -> App:
    app = App()

    @app.agent("a", tools=[refund])
    async def agent(turn: Turn) -> dict[str, Any]:
        if turn.message.text == "go":
            await turn.call(refund, 5.0)
        parts = [part for message in turn.history for part in message.parts if "toolCallId" in part]
        return {"notes": turn.notes, "parts": parts, "pending": [shown.toolName for shown in turn.pending]}

    return app


async def test_what_was_superseded_is_told_as_neither_yes_nor_no(store_url: str) -> None:
    async with harness(asking(), url=store_url) as h:
        session = await h.start("a", message="go")
        ask = await session.wait_interrupt(tool=refund)
        await session.wait_waiting()
        new = await session.send("no, wait", mode="replace")
        told = await result_of(h, session, new.turn)
        [note] = told["notes"]
        assert note.startswith("A newer message superseded it: approval of refund(")
        [part] = told["parts"]
        assert part["state"] == "output-denied"
        assert "nobody said yes or no" in str(part)
        closed = (await session.state()).interrupts[ask.id]["decision"]
        assert (closed["status"], h.executions(refund)) == ("superseded", 0)
        # A turn that came to its end has been told: the next one is not told again.
        after = await session.send("and now?")
        assert (await result_of(h, session, after.turn))["notes"] == []


async def test_a_gate_that_is_open_in_the_session_is_pending(store_url: str) -> None:
    async with harness(asking(), url=store_url) as h:
        session = await h.start("a", message="hello")
        await session.wait_finished()
        gate = Gate("g1", "deploy-42", "deploy", session=session.id)
        await gating.request(h.backend, person("alice"), gate, "test")
        sent = await session.send("is it out?")
        told = await result_of(h, session, sent.turn)
        assert told["pending"] == ["deploy"]
        assert [note.startswith("Still pending") for note in told["notes"]] == [True]


def test_the_words_are_for_authors_too() -> None:
    assert holdfast.words.__doc__
