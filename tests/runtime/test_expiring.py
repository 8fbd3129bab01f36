"""What is open until an instant, and what is asked when that is over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from holdfast import App, Turn, tool
from holdfast.core.interrupts import Interrupt, OnExpiry
from holdfast.testing import Harness, TestSession, harness


@tool(approval=True, on_expiry="approve")
async def refund(amount: float) -> str:
    return f"refunded {amount}"


def app_of(until: datetime, on_expiry: OnExpiry = "deny") -> App:
    app = App()

    @app.agent("support", tools=[refund])
    async def support(turn: Turn) -> Any:
        match turn.message.text:
            case "tool":
                return (await turn.call(refund.options(expires=until, on_expiry=on_expiry), amount=1.0)).status
            case "gate":
                return (await turn.gate("deploy", expires=until, on_expiry=on_expiry)).status
            case _:
                return (await turn.ask("Which one?", expires=until)).status

    return app


async def asked(h: Harness, what: str) -> tuple[TestSession, Interrupt]:
    session = await h.start("support", message=what)
    ask = await session.wait_interrupt()
    await session.wait_waiting()
    return session, ask


@pytest.mark.parametrize("what", ["tool", "gate", "question"])
async def test_open_until_an_instant(store_url: str, what: str) -> None:
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)
    async with harness(app_of(until), url=store_url) as h:
        session, ask = await asked(h, what)
        assert ask.expiresAt == until.timestamp() * 1_000
        await h.advance("49 h")
        assert (await session.wait_finished()).result == "expired"


@pytest.mark.parametrize("on_expiry", ["deny", "approve", "escalate"])
async def test_over_before_it_is_asked_is_a_no(store_url: str, on_expiry: OnExpiry) -> None:
    async with harness(app_of(datetime(2020, 1, 1, tzinfo=UTC), on_expiry), url=store_url) as h:
        session, ask = await asked(h, "tool")
        assert ask.expiresAt == ask.openedAt
        await h.advance("1 ms")
        assert (await session.wait_finished()).result == "expired"
        assert h.executions(refund) == 0
