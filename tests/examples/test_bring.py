"""The examples of agents of other frameworks, with an offline model in the place of the provider's."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.runtime.loading import load_app
from holdfast.testing import harness

EXAMPLES = Path(__file__).parents[2] / "docs/examples/bring"


@pytest.mark.parametrize("name", ["with_pydantic_ai"])
async def test_its_refund_is_for_finance_and_our_location_for_a_device(
    name: str, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL", "test")
    async with harness(load_app(f"{EXAMPLES / name}.py:app"), url=store_url) as h:
        session = await h.start("support", message="Refund my order.")
        refund = await session.wait_interrupt(kind="approval")
        where = await session.wait_interrupt(kind="client_tool")
        assert (refund.toolName, where.toolName) == ("refund", "location")
        await session.update(where, output="Bern")
        await session.answer(refund, {"approved": True}, by="bob", roles=("finance",))
        ended = await session.wait_finished()
        shown = {part["type"]: part.get("output") for part in (await session.state()).ordered[-1].message.parts}
    assert ended.end == "completed"
    assert shown["tool-location"] == "Bern"
    assert shown["tool-refund"].startswith("0.0 paid back for ")
