"""Gates in Python, against a real server: asked, waited for, decided; over lost connections and processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.acceptance.cluster import Cluster
from tests.client.test_real_server import device
from tests.waiting import wait_until

from holdfast.client import Client
from holdfast.core.errors import BadInput, Conflict, Forbidden, GateReused, NotFound
from holdfast.core.interrupts import Approvers, Decision
from holdfast.core.ladders import HandOver, Remind, rungs

OPS = Approvers(roles=("ops",))


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with Cluster(tmp_path, workers=0) as running:
        yield running


def approver(running: Cluster, subject: str = "olga") -> Client:
    return device(running, subject, token=running.token(subject, ("ops",), sessions=["mine"]))


async def asking(client: Client, gate: str = "deploy-42") -> asyncio.Task[Decision]:
    """Somebody waits for it."""
    waiting = asyncio.create_task(client.gate(gate).wait())
    shown = await client.gate(gate).read()
    await wait_until(lambda: client.session(shown.session).attached or waiting.done(), "it is waited for")
    return waiting


async def test_asked_waited_for_decided(cluster: Cluster) -> None:
    async with device(cluster) as alice, approver(cluster) as olga:
        gate = alice.gate("deploy-42")
        shown = await gate.request("deploy", {"to": "prod"}, approvers=OPS, message="May I?")
        waiting = await asking(alice)
        [card] = await olga.inbox()
        assert (card.id, card.message, card.input) == (shown.interrupt.id, "May I?", {"to": "prod"})
        with pytest.raises(Forbidden):
            await gate.decide(True)
        won = await olga.gate(card.id).decide(True, reason="fine")
        decision = await waiting
        assert (won.outcome, won.decision) == ("won", decision)
        assert (decision.approved, decision.by.id) == (True, "olga")
        lost = await olga.gate(card.id).decide(False)
        assert (lost.outcome, lost.decision) == ("lost", decision)
        assert await gate.wait(timeout="1 s") == decision
        assert not alice.session(shown.session).wanted


async def test_open_until_an_instant(cluster: Cluster) -> None:
    async with device(cluster) as alice:
        until = datetime(2100, 1, 1, 12, 30, tzinfo=UTC)
        shown = (await alice.gate("deploy-42").request("deploy", expires=until)).interrupt
        assert shown.expiresAt == until.timestamp() * 1_000
        with pytest.raises(BadInput, match="time zone"):
            await alice.gate("deploy-43").request("deploy", expires=until.replace(tzinfo=None))


async def test_with_a_ladder_as_in_a_turn(cluster: Cluster) -> None:
    async with device(cluster) as alice:
        ladder = [Remind("10 min"), HandOver("1 h", ["dora", "role:boss"], instead=True)]
        gate = alice.gate("deploy-42")
        shown = (await gate.request("deploy", expires="2 h", on_expiry="escalate", escalate=ladder)).interrupt
        assert shown.onExpiry == "escalate"
        assert shown.ladder == rungs(ladder, shown.openedAt)
        assert (await gate.read()).interrupt.ladder == shown.ladder


async def test_named_by_its_turn_as_a_workflow(cluster: Cluster) -> None:
    async with device(cluster) as alice, approver(cluster) as olga:
        turns = [
            (await alice.gate(name).request("deploy", name, approvers=OPS)).interrupt.turn for name in ("one", "two")
        ]
        won = await olga.approve_workflow(turns[0], reason="seen", ref="yes")
        assert won.decision is not None
        assert (won.outcome, won.decision.approved, won.decision.by.id) == ("won", True, "olga")
        assert await olga.approve_workflow(turns[0], reason="seen", ref="yes") == won
        with pytest.raises(Conflict) as refused:
            await alice.reject_workflow(turns[0])
        assert refused.value.details["open"] == {}
        rejected = await olga.reject_workflow(turns[1], reason="not today")
        assert rejected.decision is not None
        assert not rejected.decision.approved
        assert (await alice.gate("two").wait()).body["reason"] == "not today"


async def test_another_payload_and_nothing_at_all(cluster: Cluster) -> None:
    async with device(cluster) as alice:
        await alice.gate("deploy-42").request("deploy", 1)
        with pytest.raises(GateReused):
            await alice.gate("deploy-42").request("deploy", 2)
        with pytest.raises(NotFound):
            await alice.gate("never").wait()


async def test_running_out_of_time_leaves_it_open(cluster: Cluster) -> None:
    async with device(cluster) as alice:
        gate = alice.gate("deploy-42")
        await gate.request("deploy")
        with pytest.raises(TimeoutError):
            await gate.wait(timeout="50 ms")
        shown = await gate.read()
        assert shown.status == "open"
        assert not alice.session(shown.session).wanted
        await gate.decide(False)
        assert not (await gate.wait()).approved


async def test_two_wait_and_one_gives_up(cluster: Cluster) -> None:
    async with device(cluster) as alice:
        await alice.gate("deploy-42").request("deploy")
        first, second = await asking(alice), await asking(alice)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        await alice.gate("deploy-42").decide(True)
        assert (await first).approved


async def test_a_wait_outlives_its_server(cluster: Cluster) -> None:
    async with device(cluster) as alice:
        await alice.gate("deploy-42").request("deploy", approvers=OPS)
        waiting = await asking(alice)
        cluster.servers[0].kill()
        await wait_until(lambda: alice.connection != "connected", "the loss is noticed")
        await cluster.start_server(cluster.ports[0])
        async with approver(cluster) as olga:
            [card] = await olga.inbox()
            await olga.gate(card.id).decide(True)
        async with asyncio.timeout(20):
            assert (await waiting).approved


async def test_taken_back(cluster: Cluster) -> None:
    async with device(cluster) as alice:
        await alice.gate("deploy-42").request("deploy", approvers=OPS)
        waiting = await asking(alice)
        await alice.gate("deploy-42").cancel()
        decision = await waiting
        assert (decision.status, decision.approved) == ("cancelled", False)


async def test_within_a_session_that_is_attached_already(cluster: Cluster) -> None:
    async with device(cluster) as alice:
        home = (await alice.gate("home").request("home")).session
        session = alice.session(home)
        await session.attach()
        gate = alice.gate("publish", session=home)
        await gate.request("publish", {"page": 1})
        waiting = asyncio.create_task(gate.wait())
        await session.wait_for(lambda state: True if len(state.interrupts) == 2 else None)
        await gate.decide(True)
        assert (await waiting).approved
        assert session.attached


async def test_a_state_and_a_button(cluster: Cluster) -> None:
    async with device(cluster) as alice, device(cluster, "bob") as bob:
        hers = await alice.start(title="Board")
        his = bob.session(hers.id)
        await his.attach()
        done = await hers.patch_state({"op": "add", "path": "/a", "value": [1]})
        assert done.version == 1
        await his.wait_for(lambda state: True if state.state == {"a": [1]} else None)
        with pytest.raises(Conflict) as refused:
            await his.patch_state({"op": "remove", "path": "/a"}, version=0)
        assert refused.value.details["version"] == his.state.state_version == 1
        await his.patch_state({"op": "remove", "path": "/a"}, version=1)
        await hers.wait_for(lambda state: True if state.state_version == 2 else None)
        assert hers.state.state == {}
