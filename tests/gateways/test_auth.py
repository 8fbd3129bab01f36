"""Tokens: what is not exactly what it must be is refused, and minting never adds a right (promise 7)."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from holdfast.core.errors import BadRequest, Forbidden, TokenExpired, Unauthenticated, Unavailable
from holdfast.core.identity import Principal
from holdfast.gateways.auth import Authenticator
from holdfast.gateways.minting import Wanted, mint_for, mint_token

SECRET = "a secret of more than sixty-four bytes, so that it would do for HS512 as well"
OTHER = "another secret of at least thirty-two bytes"


def signed(secret: str = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    given = {"sub": "alice", "exp": int(time.time()) + 60, **claims}
    return jwt.encode({name: value for name, value in given.items() if value is not None}, secret, algorithm)


async def test_a_good_token_says_who_it_is() -> None:
    minted = mint_token(
        "alice",
        roles=["manager"],
        sessions=["*"],
        can=["read"],
        ttl="1 h",
        actor="slack",
        name="Al",
        secret=SECRET,
    )
    principal = await Authenticator(SECRET).authenticate(minted)
    assert principal.expires_at_ms is not None
    assert abs(principal.expires_at_ms - (time.time() + 3_600) * 1_000) < 10_000
    wanted = Principal("alice", ("manager",), ("*",), ("read",), "Al", "slack", principal.expires_at_ms)
    assert principal == wanted


async def test_what_a_token_leaves_out_is_the_usual() -> None:
    principal = await Authenticator(SECRET).authenticate(signed(jti="x", iat=time.time() + 5))
    assert principal.can == ("read", "send", "answer", "cancel")
    assert (principal.sessions, principal.roles) == (("mine",), ())


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": None},
        {"sub": 5},
        {"sub": ""},
        {"sub": "x" * 257},
        {"exp": None},
        {"exp": "tomorrow"},
        {"roles": "manager"},
        {"roles": [1]},
        {"roles": [""]},
        {"sessions": "mine"},
        {"can": ["read", "everything"]},
        {"can": "read"},
        {"actor": 1},
        {"name": ["x"]},
        {"nbf": 4_000_000_000},  # in 2096
    ],
    ids=str,
)
async def test_claims_that_are_not_what_they_must_be(claims: dict[str, Any]) -> None:
    given = {"sub": "alice", "exp": int(time.time()) + 60, **claims}
    payload = {name: value for name, value in given.items() if value is not None}
    forged = jwt.api_jws.encode(json.dumps(payload).encode(), SECRET, "HS256")
    with pytest.raises(Unauthenticated):
        await Authenticator(SECRET).authenticate(forged)


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "x" * 9_000, signed(OTHER), signed(algorithm="HS512")])
async def test_tokens_that_cannot_be_trusted(token: str) -> None:
    with pytest.raises(Unauthenticated):
        await Authenticator(SECRET).authenticate(token)


async def test_no_signature_is_no_token() -> None:
    unsigned = jwt.encode({"sub": "alice", "exp": time.time() + 60}, None, "none")
    with pytest.raises(Unauthenticated):
        await Authenticator(SECRET).authenticate(unsigned)


async def test_an_expired_token_says_that_it_is_that() -> None:
    with pytest.raises(TokenExpired):
        await Authenticator(SECRET).authenticate(signed(exp=int(time.time()) - 1))


@pytest.mark.parametrize("secret", ["", "short"])
def test_a_short_secret_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Authenticator(secret)


def test_minting_takes_durations_and_no_bare_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_SECRET", SECRET)
    assert mint_token("alice", ttl=timedelta(hours=1))
    for ttl in (3600, "3600", "soon"):
        with pytest.raises(ValueError, match="duration"):
            mint_token("alice", ttl=ttl)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="claims"):
        mint_token("alice", can=["all"])  # type: ignore[list-item]
    monkeypatch.delenv("HOLDFAST_SECRET")
    with pytest.raises(ValueError, match="HOLDFAST_SECRET"):
        mint_token("alice")


APP = Principal("app", ("manager",), ("*",), ("mint", "read", "answer"))
ALICE = Principal("alice", ("manager",), ("mine", "team-*"), ("mint", "read", "answer"))
WORKS = Principal("ops", sessions=("*",), can=("mint", "work"), agents=("node-*",))


@pytest.mark.parametrize(
    ("minter", "wanted"),
    [
        (APP, Wanted(can=("send",))),
        (APP, Wanted(can=("admin",))),
        (APP, Wanted(roles=("operator",))),
        (ALICE, Wanted(sub="bob")),
        (ALICE, Wanted(sub="bob", sessions=("mine",))),
        (ALICE, Wanted(sessions=("*",))),
        (ALICE, Wanted(sessions=("t*",))),
        (ALICE, Wanted(sessions=("other",))),
        (ALICE, Wanted(sessions=("team-[a-z]*",))),
        (Principal("alice"), Wanted()),
        (Principal("root", sessions=("*",), can=("admin",)), Wanted(roles=("operator",))),
        (Principal("root", sessions=("*",), can=("mint", "admin")), Wanted(can=("work",))),
        (WORKS, Wanted(can=("work",), agents=("*",))),
        (WORKS, Wanted(can=("work",), agents=("support",))),
    ],
)
def test_more_than_the_minter_may_is_forbidden(minter: Principal, wanted: Wanted) -> None:
    with pytest.raises(Forbidden):
        mint_for(minter, wanted, SECRET)


@pytest.mark.parametrize(
    ("minter", "wanted"),
    [
        (APP, Wanted(sub="bob", sessions=("mine",), roles=("manager",), can=("answer",))),
        (APP, Wanted(sub="bob", actor="slack")),
        (ALICE, Wanted()),
        (ALICE, Wanted(sessions=("team-*", "team-7"))),
        (Principal("root", sessions=("*",), can=("admin",)), Wanted(can=("send", "mint"))),
        (WORKS, Wanted(can=("work",), agents=("node-*",))),
    ],
)
async def test_what_the_minter_may_is_granted(minter: Principal, wanted: Wanted) -> None:
    minted = mint_for(minter, wanted, SECRET)
    principal = await Authenticator(SECRET).authenticate(minted.token)
    assert principal.subject == (wanted.sub or minter.subject)
    assert all(minter.has(right) for right in principal.can)
    assert set(principal.roles) <= set(minter.roles)


async def test_who_asks_for_nothing_gets_a_token_that_cannot_mint() -> None:
    minted = mint_for(ALICE, Wanted(), SECRET)
    assert (await Authenticator(SECRET).authenticate(minted.token)).can == ("read", "answer")


async def test_work_is_given_only_where_it_is_asked_for_and_as_the_same_agents() -> None:
    unasked = await Authenticator(SECRET).authenticate(mint_for(WORKS, Wanted(), SECRET).token)
    assert (unasked.can, unasked.agents) == ((), ("node-*",))
    asked = await Authenticator(SECRET).authenticate(mint_for(WORKS, Wanted(sub="w", can=("work",)), SECRET).token)
    assert (asked.can, asked.agents) == (("work",), ("node-*",))


def test_a_token_does_not_outlive_its_minters() -> None:
    ends_ms = int(time.time() * 1_000) + 60_000
    short = Principal("alice", (), ("mine",), ("mint",), None, None, ends_ms)
    assert mint_for(short, Wanted(ttl="7 days"), SECRET).expiresAt <= ends_ms


def test_a_lifetime_must_be_a_duration() -> None:
    with pytest.raises(BadRequest):
        mint_for(ALICE, Wanted(ttl="forever"), SECRET)


class Issuer:
    """Somebody else's keys, published."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        published = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self.key.public_key()))
        body = json.dumps({"keys": [{**published, "kid": "k1", "use": "sig", "alg": "ES256"}]}).encode()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/jwks"

    def token(self, **claims: Any) -> str:
        given = {"sub": "alice", "exp": int(time.time()) + 60, **claims}
        return jwt.encode(given, self.key, "ES256", {"kid": "k1"})

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    made = Issuer()
    yield made
    made.close()


async def test_a_token_of_an_issuer_by_its_published_keys(issuer: Issuer) -> None:
    checked = Authenticator(jwks=issuer.url, issuer="https://id.example", audience="holdfast")
    good = issuer.token(iss="https://id.example", aud="holdfast")
    assert (await checked.authenticate(good)).subject == "alice"
    for claims in ({"iss": "https://evil.example", "aud": "holdfast"}, {"iss": "https://id.example"}):
        with pytest.raises(Unauthenticated):
            await checked.authenticate(issuer.token(**claims))


async def test_a_secret_and_an_issuer_side_by_side_are_not_mixed_up(issuer: Issuer) -> None:
    both = Authenticator(SECRET, jwks=issuer.url)
    assert (await both.authenticate(issuer.token())).subject == "alice"
    assert (await both.authenticate(signed())).subject == "alice"
    with pytest.raises(Unauthenticated):
        await Authenticator(jwks=issuer.url).authenticate(signed())


async def test_an_issuer_that_is_away_can_be_asked_again_later() -> None:
    made = Issuer()
    made.close()
    with pytest.raises(Unavailable):
        await Authenticator(jwks=made.url).authenticate(made.token())


async def test_a_token_for_somebody_else_grants_what_people_usually_may() -> None:
    minter = Principal("ops", sessions=("*",), can=("read", "send", "answer", "cancel", "mint", "admin"))
    minted = mint_for(minter, Wanted(sub="bob"), SECRET)
    bob = await Authenticator(SECRET).authenticate(minted.token)
    assert bob.can == ("read", "send", "answer", "cancel")
    assert (bob.roles, bob.sessions) == ((), ("mine",))
