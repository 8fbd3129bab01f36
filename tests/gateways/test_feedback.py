"""Feedback over REST: given, read, refused."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
from tests.gateways.rest import Web, web


@pytest.fixture
async def rest(store_url: str) -> AsyncGenerator[Web]:
    async with web(store_url) as served:
        yield served


async def test_it_is_given_and_read(rest: Web) -> None:
    session = (await rest.post("/v1/sessions", {"title": "Board"})).json()["id"]
    path = f"/v1/sessions/{session}/feedback"
    given = await rest.post(path, {"target": {"message": "m_1"}, "score": 0.5, "labels": ["kind"]})
    assert given.status_code == 201, given.text
    [told] = (await rest.get(f"{path}?context=true")).json()["feedback"]
    assert (told["by"]["id"], told["score"], told["labels"], told["session"]) == ("alice", 0.5, ["kind"], session)
    refused = await rest.post(path, {"target": {"message": "m_1"}})
    assert (refused.status_code, refused.json()["code"]) == (422, "bad_input")
    assert (await rest.get(path, by="mallory")).status_code == 404
