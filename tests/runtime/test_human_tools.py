"""The ready-made tools, and forms that are filled in elsewhere: asked by an agent, answered by a person, run again."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast import App, Turn
from holdfast.core.errors import BadInput
from holdfast.testing import harness
from holdfast.tools import ask_human, request_approval


async def test_ask_human(store_url: str) -> None:
    app = App()

    @app.agent("a", tools=[ask_human])
    async def agent(turn: Turn) -> Any:
        return [
            (await turn.call(ask_human, "Which?", "Of two.", ["red", "green"])).value,
            (await turn.call(ask_human, "And why?")).value,
        ]

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        asked = await session.wait_interrupt(kind="question")  # and no approval before it
        assert asked.input["options"] == ["red", "green"]
        await h.kill_worker()
        await session.answer(asked, {"selected": ["red"], "text": "it is warm"}, by="bob")
        why = await session.wait_interrupt(kind="question")
        await session.withdraw(why, reason="never mind")
        assert (await session.wait_finished()).result == [
            {"status": "done", "text": "it is warm", "selected": ["red"], "by": "bob"},
            {"status": "withdrawn", "by": "olga", "reason": "never mind"},
        ]


@pytest.mark.parametrize(
    ("payload", "result"),
    [
        ({"approved": True}, {"approved": True, "status": "done", "by": "bob"}),
        ({"approved": False, "reason": "no"}, {"approved": False, "status": "denied", "by": "bob", "reason": "no"}),
    ],
    ids=["yes", "no"],
)
async def test_request_approval(store_url: str, payload: dict[str, Any], result: dict[str, Any]) -> None:
    app = App()

    @app.agent("a", tools=[request_approval])
    async def agent(turn: Turn) -> Any:
        return (await turn.call(request_approval, "Drop it", {"table": "users"})).value

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        asked = await session.wait_interrupt(kind="gate")
        assert (asked.message, asked.input) == ("Drop it", {"action": "Drop it", "details": {"table": "users"}})
        await session.answer(asked, payload, by="bob")
        assert (await session.wait_finished()).result == result


async def test_a_form_elsewhere_takes_no_content(store_url: str) -> None:
    app = App()

    @app.agent("a")
    async def agent(turn: Turn) -> Any:
        done = await turn.form("Connect.", url="https://auth.example.com/authorize")
        return [done.status, done.value if done.ok else None]

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        asked = await session.wait_interrupt(kind="form")
        assert (asked.url, asked.responseSchema) == ("https://auth.example.com/authorize", None)
        for action in ("accept", "decline"):
            for content in ({}, {"password": "hunter2"}):
                with pytest.raises(BadInput, match=r"payload\.content"):
                    await session.answer(asked, {"action": action, "content": content})
        await session.answer(asked, {"action": "accept"})
        assert (await session.wait_finished()).result == ["done", {}]
        assert b"hunter2" not in b"".join(bytes(str(event), "utf-8") for event in await session.events())


@pytest.mark.parametrize(
    "form",
    [
        {"schema": {"type": "object", "properties": {"a": {"type": "object"}}}},
        {"url": "http://example.com"},
        {"url": "https://example.com", "schema": {"type": "object", "properties": {}}},
        {},
    ],
    ids=["nested", "plain http", "both", "neither"],
)
async def test_what_cannot_be_shown_fails_where_it_is_asked(store_url: str, form: dict[str, Any]) -> None:
    app = App()

    @app.agent("a")
    async def agent(turn: Turn) -> str:
        try:
            await turn.form("Who?", **form)
        except (BadInput, TypeError) as error:
            return type(error).__name__
        return "shown"

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        turn = await session.wait_finished()
        assert turn.result in ("BadInput", "TypeError") or (turn.error or {}).get("code") == "bad_input"
        assert (await session.state()).interrupts == {}
