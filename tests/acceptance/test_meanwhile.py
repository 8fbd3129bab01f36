"""Messages while a turn is pending, from two devices on two servers, with workers that are killed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.acceptance.cluster import Cluster, Device


async def say(device: Device, session: str, text: str, mode: str) -> dict[str, Any]:
    return await device.ask({"type": "send", "session": session, "message": text, "mode": mode})


async def test_what_steers_a_turn_is_taken_in_once_whoever_dies(tmp_path: Path) -> None:
    async with Cluster(tmp_path, servers=2, workers=1, env={"HOLDFAST_LEASE_MS": "2000"}) as cluster:
        alice = await cluster.device("alice", server=0)
        bob = await cluster.device("bob", server=1)
        session = await alice.start("listens")
        await bob.attach(session, {"epoch": "", "seq": 0})
        first = await alice.interrupt(input={"order_id": "A-1", "amount": 1.0})
        turn = first["turn"]
        await alice.event("turn.waiting", turn=turn)
        steered = await say(bob, session, "also B-2", "steer")
        assert (steered["turn"], steered["steers"]) == (turn, True)
        # Everybody sees at once what was said, and to which turn; what is pending stays pending.
        seen = await alice.wait(
            lambda frame: (
                isinstance(said := frame.get("event", {}).get("message"), dict) and said["id"] == steered["message"]
            ),
            "what Bob said",
        )
        assert seen["event"]["message"]["metadata"]["steers"] == turn
        assert alice.events("interrupt.closed") == []
        cluster.workers[-1].kill()
        assert (await alice.answer(first, {"approved": True}))["outcome"] == "won"
        cluster.start_worker()
        second = await bob.interrupt(input={"order_id": "B-2", "amount": 2.0})
        assert (await bob.event("turn.steered", turn=turn))["messages"] == [steered["message"]]
        cluster.workers[-1].kill()
        cluster.start_worker()
        assert (await bob.answer(second, {"approved": True}))["outcome"] == "won"
        end = await alice.event("turn.finished", turn=turn)
        assert end["result"] == [["also B-2"], ["done", "done"], []]
        assert len(alice.events("turn.steered")) == 1
        assert sorted(line[0] for line in cluster.ran(turn)) == ["lookup", "refund", "refund"]


async def test_what_replaces_a_turn_stands_though_its_worker_is_dead(tmp_path: Path) -> None:
    async with Cluster(tmp_path, servers=2, workers=1) as cluster:
        alice = await cluster.device("alice", server=0)
        bob = await cluster.device("bob", server=1)
        session = await alice.start("asks")
        await bob.attach(session, {"epoch": "", "seq": 0})
        shown = await alice.interrupt()
        await alice.event("turn.waiting", turn=shown["turn"])
        queued = await say(alice, session, "later", "queue")
        assert (queued["behind"], queued["ahead"]) == (shown["turn"], 1)
        assert (await say(alice, session, "now", "reject"))["code"] == "session_busy"
        cluster.workers[-1].kill()
        new = await say(bob, session, "no, this", "replace")
        for device in (alice, bob):  # the card closes everywhere, and says why
            closed = await device.event("interrupt.closed", interrupt=shown["id"])
            assert closed["decision"]["status"] == "superseded"
        late = await alice.answer(shown, {"approved": True})
        assert (late["outcome"], late["decision"]["status"]) == ("lost", "superseded")
        assert (await alice.event("turn.finished", turn=shown["turn"]))["status"] == "cancelled"
        cluster.start_worker()
        for turn in (new["turn"], queued["turn"]):  # what queued comes after what replaced
            asked = await bob.interrupt(turn=turn)
            assert (await bob.answer(asked, {"approved": True}))["outcome"] == "won"
            assert (await alice.event("turn.finished", turn=turn))["result"] == "done"
        assert cluster.ran(shown["turn"]) == []
        assert [len(cluster.ran(turn)) for turn in (new["turn"], queued["turn"])] == [1, 1]
