"""What a device claimed over a connection, when that connection ends; on a real server."""

from __future__ import annotations

from typing import Any

from tests.commands.scene import ALICE, Scene
from tests.gateways.server import Peer, Running
from tests.waiting import wait_until

from holdfast.core.claiming import GRACE_MS
from holdfast.core.interrupts import InterruptRecord
from holdfast.runtime.sweeper import Sweeper


async def record(server: Running, interrupt: str) -> InterruptRecord:
    view = await server.backend.door.read(interrupt.split(".")[1], interrupts=(interrupt,))
    return view.interrupts[interrupt]


async def claim(peer: Peer, shown: Any, device: str) -> dict[str, Any]:
    return await peer.ask("claim", session=shown.session, interrupt=shown.id, device=device)


async def test_a_connection_that_ends_lets_go_of_what_was_claimed_over_it(server: Running) -> None:
    scene = await Scene.begin(server.backend, ALICE)
    shown = await scene.ask_and_wait("client_tool")
    async with server.device() as waiting:
        await waiting.ask("attach", session=scene.session)
        async with server.device() as phone:
            assert (await claim(phone, shown, "phone"))["type"] == "ok"
            held = (await record(server, shown.id)).interrupt.claim
            assert held is not None
            refused = await claim(waiting, shown, "laptop")
            assert (refused["code"], refused["details"]["claim"]["device"]) == ("conflict", "phone")

        async def shortened() -> bool:
            now = (await record(server, shown.id)).interrupt.claim
            return now is not None and now.until < held.until

        await wait_until(shortened, "the claim is to end soon")
        await scene.advance(GRACE_MS)
        await Sweeper(server.backend).sweep()
        while (await waiting.read("event"))["event"].get("changes", {}).get("claim", "") is not None:
            pass  # it is told, and need not ask
        assert (await claim(waiting, shown, "laptop"))["type"] == "ok"


async def test_a_device_that_is_back_over_another_connection_keeps_it(server: Running) -> None:
    scene = await Scene.begin(server.backend, ALICE)
    shown = await scene.ask_and_wait("client_tool")
    async with server.device() as second:
        async with server.device() as first:
            await claim(first, shown, "phone")
            assert (await claim(second, shown, "phone"))["type"] == "ok"
            held = (await record(server, shown.id)).interrupt.claim
        await wait_until(lambda: len(server.drain) == 1, "the first connection is over")
        assert (await record(server, shown.id)).interrupt.claim == held


async def test_progress_is_heard_by_all_who_are_there(server: Running) -> None:
    scene = await Scene.begin(server.backend, ALICE)
    shown = await scene.ask_and_wait("client_tool")
    async with server.device() as phone, server.device() as laptop:
        await laptop.ask("attach", session=scene.session)
        told = {"session": scene.session, "interrupt": shown.id, "progress": {"percent": 40}, "device": "phone"}
        assert (await phone.ask("progress", **told))["type"] == "ok"
        while "progress" not in (update := (await laptop.read("event"))["event"].get("changes", {})):
            pass
        assert update == {"progress": {"percent": 40}}
        assert (await phone.ask("progress", **told))["code"] == "limit_reached"


async def test_one_of_two_devices_continues(server: Running) -> None:
    scene = await Scene.begin(server.backend, ALICE)
    shown = await scene.ask_and_wait(autoContinue=False)
    async with server.device() as phone, server.device() as laptop:
        answer = {"session": scene.session, "interrupt": shown.id, "status": "resolved", "payload": {"approved": True}}
        assert (await phone.ask("answer", **answer))["outcome"] == "won"
        replies = [await one.ask("continue", session=scene.session, turn=scene.turn_id) for one in (laptop, phone)]
        assert [reply["outcome"] for reply in replies] == ["won", "lost"]
        assert replies[0]["at"] == replies[1]["at"]
