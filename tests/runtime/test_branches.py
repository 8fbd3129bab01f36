"""An agent on a branch: its history is what is shown there, and what it wrote elsewhere stays elsewhere."""

from __future__ import annotations

import secrets

from holdfast import App, Turn
from holdfast.commands import branching, sending
from holdfast.core import branches
from holdfast.core.turns import TurnRecord
from holdfast.protocol.frames import Branch, Ok, Send
from holdfast.testing import Harness, TestSession, harness, person, wait_for


async def say(h: Harness, session: TestSession, text: str | None, replaces: str | None = None) -> list[str]:
    """Send, and what the turn found in its history."""
    frame = Send(secrets.token_hex(8), session.id, text, None, replaces)
    sent: Ok = await sending.send(h.backend, person("alice"), frame, "test")

    async def ended() -> TurnRecord | None:
        record = (await h.door.read(session.id, turns=(sent.turn or "",))).turns[sent.turn or ""]
        return record if record.end else None

    return (await wait_for(ended, "the turn has ended")).result


async def shown(session: TestSession) -> list[str]:
    return [placed.message.text for placed in branches.visible(await session.state())]


async def test_a_turn_knows_its_own_branch_and_no_other(store_url: str) -> None:
    app = App()

    @app.agent("a")
    async def agent(turn: Turn) -> list[str]:
        await turn.write(f"re {turn.message.text}")
        return [message.text for message in turn.history]

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="one")
        await session.wait_finished()
        assert await say(h, session, "two") == ["one", "re one"]
        assert await say(h, session, "three") == ["one", "re one", "two", "re two"]
        places = {placed.message.text: own_id for own_id, placed in (await session.state()).messages.items()}
        assert await say(h, session, "TWO", places["two"]) == ["one", "re one"]
        assert await say(h, session, "four") == ["one", "re one", "TWO", "re TWO"]
        assert await shown(session) == ["one", "re one", "TWO", "re TWO", "four", "re four"]
        # The answer to "three", anew: on a branch that leaves the first one.
        assert await say(h, session, None, places["re three"]) == ["one", "re one", "two", "re two"]
        assert await shown(session) == ["one", "re one", "two", "re two", "three", "re three"]
        await h.kill_worker()
        switching = Branch(secrets.token_hex(8), session.id, "")
        await branching.switch(h.backend, person("bob"), switching, "test")
        assert await say(h, session, "five") == ["one", "re one", "two", "re two", "three", "re three"]
