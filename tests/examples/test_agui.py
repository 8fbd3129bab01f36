"""The example of an agent by URL: both of its files, the other one in a process of its own."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.cluster import free_port, listening
from tests.waiting import wait_until

from holdfast.runtime.loading import load_app
from holdfast.testing import harness

EXAMPLE = Path(__file__).parents[2] / "docs/examples/agui"


@pytest.fixture
def _theirs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "theirs:app", "--port", str(port), "--log-level", "warning"]
    server = subprocess.Popen(command, cwd=EXAMPLE, env={**os.environ, "MODEL": "test"})
    monkeypatch.setenv("AGENT_URL", f"http://127.0.0.1:{port}/")
    try:
        asyncio.run(wait_until(lambda: listening(port), "the agent's server listens", timeout=30))
        yield
    finally:
        server.kill()
        server.wait()


@pytest.mark.usefixtures("_theirs")
async def test_its_refund_is_for_finance_and_our_location_for_a_device(store_url: str) -> None:
    async with harness(load_app(f"{EXAMPLE / 'agent.py'}:app"), url=store_url) as h:
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
