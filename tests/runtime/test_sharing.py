"""The shared document from within a turn: read as it was, changed once, whatever is run again."""

from __future__ import annotations

from typing import Any

from holdfast import App, StepFailed, Turn, tool
from holdfast.commands import patching
from holdfast.protocol.frames import Patch
from holdfast.testing import Harness, harness, person


@tool(approval=True)
async def gated(name: str) -> str:
    return name


def put(name: str, value: Any) -> dict[str, Any]:
    return {"op": "add", "path": f"/{name}", "value": value}


async def change(h: Harness, session: str, *operations: dict[str, Any]) -> None:
    """As a device does it."""
    await patching.patch(h.backend, person("alice"), Patch("p1", session, list(operations)), "test")


async def test_what_was_read_is_read_again_and_what_was_changed_is_not(store_url: str) -> None:
    app = App()

    @app.agent("a", tools=[gated])
    async def agent(turn: Turn) -> Any:
        before = await turn.state()
        version = await turn.patch_state(put("count", before.get("count", 0) + 1))
        await turn.call(gated, "x")
        return [before, version, await turn.state()]

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        ask = await session.wait_interrupt(tool=gated)
        await session.wait_waiting()
        await change(h, session.id, put("button", "pressed"))
        await h.kill_worker()
        await session.approve(ask)
        turn = await session.wait_finished()
        assert turn.result == [{}, 1, {"count": 1, "button": "pressed"}]
        state = await session.state()
        assert (state.state, state.state_version) == ({"count": 1, "button": "pressed"}, 2)
        changes = [event for _, _, event in await session.events() if type(event).__name__ == "StateChanged"]
        assert [(one.by.kind, one.by.id) for one in changes] == [("system", "a"), ("person", "alice")]  # type: ignore[union-attr]


async def test_a_conflict_is_the_same_on_every_replay(store_url: str) -> None:
    app = App()

    @app.agent("a", tools=[gated])
    async def agent(turn: Turn) -> str:
        try:
            await turn.patch_state(put("a", 1), version=7)
        except StepFailed as failed:
            await turn.call(gated, "x")
            return f"{failed.type}: {failed.message}"
        return "done"

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        await session.approve(await session.wait_interrupt(tool=gated))
        turn = await session.wait_finished()
        assert turn.result == "Conflict: The state has version 0 by now."


async def test_several_at_once(store_url: str) -> None:
    app = App()

    @app.agent("a")
    async def agent(turn: Turn) -> Any:
        versions = await turn.all(*(turn.patch_state(put(f"k{n}", n)) for n in range(5)))
        return sorted(versions)

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        assert (await session.wait_finished()).result == [1, 2, 3, 4, 5]
        assert (await session.state()).state == {f"k{n}": n for n in range(5)}
