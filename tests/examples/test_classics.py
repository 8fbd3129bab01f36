"""The five classic cases: each a file of under 40 lines that does what its first line says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from holdfast.runtime.loading import load_app
from holdfast.testing import harness

EXAMPLES = Path(__file__).parents[2] / "docs/examples"
CLASSICS = ("access", "commands", "data", "moderation", "payment")


def app_of(name: str) -> Any:
    return load_app(f"{EXAMPLES / name / 'agent.py'}:app")


def world_of(app: Any) -> dict[str, Any]:
    """The globals of the example, where what it did can be seen."""
    [agent] = app.agents.values()
    return agent.function.__globals__


@pytest.mark.parametrize("name", CLASSICS)
def test_it_is_short(name: str) -> None:
    assert len((EXAMPLES / name / "agent.py").read_text().splitlines()) < 40


async def test_a_small_payment_passes_and_one_to_ourselves_is_denied(store_url: str) -> None:
    async with harness(app_of("payment"), url=store_url) as h:
        small = await h.start("payments", input={"account": "DE-7", "amount": 20})
        await small.wait_finished()
        assert (await small.text()).startswith("paid 20.00 to DE-7")
        ours = await h.start("payments", input={"account": "OWN-1", "amount": 20})
        await ours.wait_finished()
        assert await ours.text() == "Not paid (denied): That account is our own."


async def test_a_large_payment_takes_two_of_finance_and_their_reasons(store_url: str) -> None:
    async with harness(app_of("payment"), url=store_url) as h:
        session = await h.start("payments", input={"account": "DE-7", "amount": 20_000}, by="alice")
        ask = await session.wait_interrupt()
        yes = {"approved": True, "reason": "invoice 12"}
        assert (await session.answer(ask, yes, by="bob", roles=("finance",))).outcome == "recorded"
        assert (await session.answer(ask, yes, by="carol", roles=("finance",))).outcome == "won"
        await session.wait_finished()
        assert (await session.text()).startswith("paid 20000.00 to DE-7")


async def test_a_moderator_edits_a_post(store_url: str) -> None:
    async with harness(app_of("moderation"), url=store_url) as h:
        session = await h.start("posts", message="Damn good.")
        ask = await session.wait_interrupt()
        edited = {"approved": True, "input": {"text": "Very good."}}
        assert (await session.answer(ask, edited, by="mo", roles=("moderator",))).outcome == "won"
        await session.wait_finished()
        assert await session.text() == "Published as edited: Very good."
        plain = await h.start("posts", message="Good.")
        await plain.wait_finished()
        assert await plain.text() == "Published: Good."


async def test_rows_are_deleted_once_after_a_yes_and_a_crash(store_url: str) -> None:
    app = app_of("data")
    async with harness(app, url=store_url) as h:
        session = await h.start("cleaner", input={"older_than": 40})
        ask = await session.wait_interrupt()
        assert ask.input == {"ids": [5, 6, 7, 8, 9, 10], "why": "6 rows are older than 40"}
        await h.kill_worker()
        await session.approve(ask)
        await session.wait_finished()
        assert await session.text() == "6 rows deleted."
        assert [row["id"] for row in world_of(app)["ROWS"]] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("command", "said"),
    [("echo hello", "hello\n"), ("sudo reboot", "denied: Nobody runs this here.")],
)
async def test_rules_decide_on_known_commands(store_url: str, command: str, said: str) -> None:
    async with harness(app_of("commands"), url=store_url) as h:
        session = await h.start("operator", message=command)
        await session.wait_finished()
        assert await session.text() == said


async def test_a_person_decides_on_unknown_commands(store_url: str) -> None:
    async with harness(app_of("commands"), url=store_url) as h:
        session = await h.start("operator", message="printf x")
        await session.approve(await session.wait_interrupt())
        await session.wait_finished()
        assert await session.text() == "x"


async def test_access_ends_by_itself_after_a_restart(store_url: str) -> None:
    app = app_of("access")
    async with harness(app, url=store_url) as h:
        session = await h.start("access", message="billing")
        ask = await session.wait_interrupt()
        await session.answer(ask, {"approved": True}, by="sam", roles=("security",))
        await session.wait_waiting()
        assert world_of(app)["INSIDE"] == {"alice@billing"}
        await h.kill_worker()
        await h.advance("8h")
        await session.wait_finished()
        assert world_of(app)["INSIDE"] == set()
        assert await session.text() == "You have access to billing for 8 hours. It has ended."
