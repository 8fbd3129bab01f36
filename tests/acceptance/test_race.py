"""The race: many devices on two servers answer one interrupt at the same moment (promises 1 to 4)."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.acceptance.cluster import Cluster, Device

DEVICES = 50
ROUNDS = 200


async def by_answer(device: Device, shown: dict[str, Any], yes: bool, ref: str) -> dict[str, Any]:
    return await device.answer(shown, {"approved": yes, "reason": ref}, ref)


async def by_update(device: Device, shown: dict[str, Any], yes: bool, ref: str) -> dict[str, Any]:
    """The same answer, addressed by tool call, as AI SDK clients say it."""
    update = {
        "type": "tool-approval-response",
        "toolCallId": shown["toolCallId"],
        "approved": yes,
        "reason": ref,
    }
    reply = await device.ask({"type": "update", "session": shown["session"], "ref": ref, "updates": [update]})
    return reply["results"][0]


class Rest:
    """The same answer over REST, from the same person."""

    def __init__(self, clients: list[httpx2.AsyncClient]) -> None:
        self._clients = clients

    async def __call__(self, number: int, shown: dict[str, Any], yes: bool, ref: str) -> dict[str, Any]:
        client = self._clients[number % len(self._clients)]
        body = {"ref": ref, "status": "resolved", "payload": {"approved": yes, "reason": ref}}
        reply = await client.post(f"/v1/interrupts/{shown['id']}/answer", json=body)
        answered = reply.json()
        assert reply.status_code == {"won": 200, "lost": 409}[answered["outcome"]], answered
        return answered


async def conflicts(cluster: Cluster) -> float:
    """Guards that failed, as the servers count them."""
    total = 0.0
    for port in cluster.ports:
        async with httpx2.AsyncClient() as client:
            text = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
        total += sum(
            float(value) for value in re.findall(r"^holdfast_commit_conflicts_total (\S+)", text, re.MULTILINE)
        )
    return total


@pytest.mark.timeout(240)
async def test_one_of_fifty_wins_every_round(tmp_path: Path) -> None:
    async with Cluster(tmp_path, servers=2) as cluster:
        devices = [await cluster.device(f"person-{n}", server=n % 2) for n in range(DEVICES)]
        clients = [
            httpx2.AsyncClient(
                base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {cluster.token('rest')}"}
            )
            for port in cluster.ports
        ]
        rest = Rest(clients)
        session = await devices[0].start("asks", "round 0")
        for device in devices[1:]:
            await device.attach(session)
        for number in range(ROUNDS):
            await one_round(cluster, devices, rest, session, number)
        assert await conflicts(cluster) > 0, "nobody ever met anybody: this was no race"
        for client in clients:
            await client.aclose()
        await everybody_saw_the_same(devices)


async def one_round(cluster: Cluster, devices: list[Device], rest: Rest, session: str, number: int) -> None:
    starts = [len(device.frames) for device in devices]
    if number:
        await devices[0].ask({"type": "send", "session": session, "message": f"round {number}"})
        shown = await devices[0].interrupt(starts[0])
    else:
        shown = await devices[0].interrupt()
    turn = shown["turn"]

    def answers(place: int) -> list[Awaitable[dict[str, Any]]]:
        """One device's answer, sent twice under one ref."""
        device, yes, ref = devices[place], place % 2 == number % 2, secrets.token_hex(6)
        if place % 5 == 0:
            return [rest(place, shown, yes, ref), rest(place + 1, shown, yes, ref)]
        way = by_update if place % 5 == 1 else by_answer
        return [way(device, shown, yes, ref), way(device, shown, yes, ref)]

    asked = [answer for place in range(len(devices)) for answer in answers(place)]
    replies = await asyncio.gather(*asked)
    pairs = list(zip(replies[::2], replies[1::2], strict=True))
    assert all(first["outcome"] == second["outcome"] for first, second in pairs), "a repeated ref, another answer"
    winners = [first for first, _ in pairs if first["outcome"] == "won"]
    assert len(winners) == 1, f"{len(winners)} won"
    decisions = {json.dumps(reply["decision"], sort_keys=True) for reply in replies}
    assert len(decisions) == 1, decisions
    approved = winners[0]["decision"]["payload"]["approved"]
    end = await devices[-1].event("turn.finished", starts[-1], turn=turn)
    assert end["result"] == ("done" if approved else "denied")
    await devices[0].event("turn.finished", starts[0], turn=turn)
    assert len(devices[0].events("turn.resumed", turn=turn)) == 1
    assert len(devices[0].events("interrupt.closed", interrupt=shown["id"])) == 1
    assert len(cluster.ran(turn)) == (1 if approved else 0)


async def everybody_saw_the_same(devices: list[Device]) -> None:
    """The same event at a position on every device; no hole, nothing twice (promise 9)."""
    last = max(frame["seq"] for device in devices for frame in device.frames if frame["type"] == "event")
    logs: list[dict[int, str]] = []
    for device in devices:
        await device.wait(lambda frame: frame.get("seq", 0) >= last and frame["type"] == "event", "the last event")
        logs.append(without_holes(device))
    for log in logs[1:]:
        assert all(log[seq] == logs[0][seq] for seq in log.keys() & logs[0].keys())


def without_holes(device: Device) -> dict[int, str]:
    """A device's events by position. A node that was late has read compacted ones: `from` says what they stand for."""
    log: dict[int, str] = {}
    position = next(frame["seq"] for frame in device.frames if frame["type"] == "attached")
    for frame in device.frames:
        if frame["type"] == "event":
            assert frame["seq"] > position, "sent twice"
            assert frame.get("from", frame["seq"]) <= position + 1, "a hole"
            position = frame["seq"]
            log[position] = json.dumps(frame["event"])
    return log
