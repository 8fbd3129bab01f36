"""Schedules over REST: made, listed, cancelled; each refusal a problem with our code."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from tests.gateways.rest import Web, web


@pytest.fixture
async def rest(store_url: str) -> AsyncGenerator[Web]:
    async with web(store_url) as served:
        yield served


async def test_a_schedule_from_its_making_to_its_end(rest: Web) -> None:
    body = {"agent": "support", "name": "weekly", "cron": "0 9 * * 1", "timezone": "Europe/Berlin", "message": "Go"}
    made = await rest.post("/v1/schedules", body)
    assert (made.status_code, made.json()["status"]) == (201, "active")
    assert (await rest.post("/v1/schedules", body)).json() == made.json()
    assert [one["name"] for one in (await rest.get("/v1/schedules")).json()["schedules"]] == ["weekly"]
    assert (await rest.get("/v1/schedules", by="bob")).json() == {"schedules": []}
    assert (await rest.ask("DELETE", "/v1/schedules/weekly", by="bob")).status_code == 404
    assert (await rest.ask("DELETE", "/v1/schedules/weekly")).json()["status"] == "cancelled"


async def test_a_ref_names_what_has_no_name(rest: Web) -> None:
    body = {"agent": "support", "delay": "1 day", "ref": "r1"}
    first = (await rest.post("/v1/schedules", body)).json()
    assert (await rest.post("/v1/schedules", body)).json()["name"] == first["name"]
    assert (await rest.post("/v1/schedules", {**body, "ref": "r2"})).json()["name"] != first["name"]
    assert (await rest.post("/v1/schedules", body, by="bob")).json()["name"] != first["name"]
    instant = (await rest.post("/v1/schedules", {"agent": "support", "at": "2030-01-01T09:00:00+01:00"})).json()
    assert instant["next"] == 1893484800000


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"delay": "1 day", "cron": "* * * * *"},
        {"delay": "soon"},
        {"at": "2030-01-01T09:00:00"},
        {"cron": "* *"},
        {"cron": "0 9 * * 1", "timezone": "Nowhere"},
        {"cron": "0 9 * * 1", "name": "a b"},
    ],
)
async def test_what_is_wrong_is_said(rest: Web, wrong: dict[str, Any]) -> None:
    refused = await rest.post("/v1/schedules", {"agent": "support", **wrong})
    assert (refused.status_code // 100, refused.json()["code"]) == (4, "bad_input")
