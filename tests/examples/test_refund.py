"""The agent of the README: it is the file of the example, and does what the page says."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.runtime.loading import load_app
from holdfast.testing import harness

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs/examples/refund/agent.py"


def test_the_readme_shows_the_example() -> None:
    assert EXAMPLE.read_text().strip() in (ROOT / "README.md").read_text()


@pytest.mark.parametrize(
    ("approved", "said"),
    [
        (True, "Looking at A-17. Refunded 200.00 for A-17, booked as "),
        (False, "Looking at A-17. Not refunded: too much."),
    ],
)
async def test_it_asks_above_fifty(store_url: str, approved: bool, said: str) -> None:
    async with harness(load_app(f"{EXAMPLE}:app"), url=store_url) as h:
        session = await h.start("refunds", message="A-17 200")
        ask = await session.wait_interrupt()
        assert ask.input == {"order_id": "A-17", "amount": 200.0}
        await (session.approve(ask) if approved else session.deny(ask, reason="too much"))
        await session.wait_finished()
        assert (await session.text()).startswith(said)


async def test_it_does_not_ask_below(store_url: str) -> None:
    async with harness(load_app(f"{EXAMPLE}:app"), url=store_url) as h:
        session = await h.start("refunds", message="B-3 20")
        await session.wait_finished()
        assert (await session.text()).startswith("Looking at B-3. Refunded 20.00 for B-3")
