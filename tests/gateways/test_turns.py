"""Turns over REST: listed and shown with what they did; their gate is opened by naming the turn."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
from tests.commands.test_workflows import fail, gate
from tests.gateways.rest import Web, web


@pytest.fixture
async def rest(store_url: str) -> AsyncGenerator[Web]:
    async with web(store_url) as served:
        yield served


async def test_turns_are_listed_and_shown(rest: Web) -> None:
    scene = await rest.scene()
    shown = await gate(scene, "deploy")
    listed = (await rest.get("/v1/turns?status=active&agent=support&limit=10")).json()
    assert [one["id"] for one in listed["turns"]] == [scene.turn_id]
    assert (await rest.get("/v1/turns", by="mallory")).json() == {"turns": []}
    assert (await rest.get("/v1/turns?status=odd")).json()["code"] == "bad_request"
    one = (await rest.get(f"/v1/turns/{scene.turn_id}")).json()
    assert [item["key"] for item in one["operations"]] == ["gate:deploy:1"]
    assert [item["id"] for item in one["interrupts"]] == [shown.id]


@pytest.mark.parametrize(("way", "approved"), [("approve", True), ("reject", False)])
async def test_the_gate_of_a_turn(rest: Web, way: str, approved: bool) -> None:
    scene = await rest.scene()
    path = f"/v1/turns/{scene.turn_id}/{way}"
    refused = await rest.post(path)
    assert (refused.status_code, refused.json()["details"]["open"]) == (409, {})
    await gate(scene, "deploy")
    await scene.wait()
    won = await rest.post(path, {"reason": "seen", "ref": "d1"})
    assert (won.status_code, won.json()["decision"]["payload"]) == (200, {"approved": approved, "reason": "seen"})
    assert (await rest.post(path, {"reason": "seen", "ref": "d1"})).json() == won.json()


async def test_a_failed_turn_is_retried(rest: Web) -> None:
    scene = await rest.scene()
    view = await scene.backend.door.read(scene.session, turns=(scene.turn_id,))
    assert view.turns[scene.turn_id].status == "running"
    await fail(scene)
    refused = await rest.post(f"/v1/turns/{scene.turn_id}/retry", by="alice")
    assert refused.json()["code"] == "forbidden"
    assert [one["id"] for one in (await rest.get("/v1/turns?status=failed")).json()["turns"]] == [scene.turn_id]
