"""People, as the gateways come to know them: who comes in is noted, and who goes away says so."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.gateways.rest import SECRET, Web, token, web

from holdfast.core.errors import StoreUnavailable
from holdfast.core.identity import Principal
from holdfast.gateways.auth import Authenticator, Noting


@pytest.fixture
async def rest(store_url: str) -> AsyncIterator[Web]:
    async with web(store_url) as opened:
        yield opened


async def test_who_comes_in_is_known_by_their_roles(rest: Web) -> None:
    headers = {"Authorization": f"Bearer {token('fay', roles=['finance'])}"}
    assert (await rest.get("/v1/interrupts", by=None, headers=headers)).status_code == 200
    directory = rest.backend.directory
    people = await directory.people({"finance"}, (), await directory.now_ms())
    assert list(people.known["finance"]) == ["fay"]


async def test_an_absence_is_said_shown_and_taken_back(rest: Web) -> None:
    until = await rest.backend.directory.now_ms() + 60_000
    said = await rest.ask("PUT", "/v1/me/away", {"until": until, "deputy": "bob"})
    assert (said.status_code, said.json()) == (200, {"away": True, "until": until, "deputy": "bob"})
    assert (await rest.get("/v1/me/away")).json() == said.json()
    assert (await rest.get("/v1/me/away", by="bob")).json() == {"away": False}
    assert (await rest.ask("DELETE", "/v1/me/away")).json() == {"away": False}
    assert (await rest.get("/v1/me/away")).json() == {"away": False}
    late = await rest.ask("PUT", "/v1/me/away", {"until": 1})
    assert (late.status_code, late.json()["code"]) == (422, "bad_input")


async def test_the_same_person_is_noted_once_in_a_while_and_never_kept_out() -> None:
    noted: list[Principal] = []

    async def note(principal: Principal) -> None:
        noted.append(principal)
        raise StoreUnavailable("it is away")

    authenticator = Noting(note).tokens(Authenticator(SECRET))
    for roles in (["finance"], ["finance"], ["manager"]):
        assert (await authenticator.authenticate(token("fay", roles=roles))).subject == "fay"
    assert [principal.roles for principal in noted] == [("finance",), ("manager",)]
