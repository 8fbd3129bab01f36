"""Authentication: from a token to a principal. What a token says beyond what we know is refused, not guessed.

sub       whose it is                       roles     what approvals may name
exp       when it ends (required)           sessions  "mine", "*", ids and globs
can       read send answer cancel mint admin
actor     who acts for `sub`                name      how they are shown
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import jwt
import msgspec
from starlette.requests import HTTPConnection

from holdfast.core.errors import HoldfastError, TokenExpired, Unauthenticated, Unavailable
from holdfast.core.identity import SUBJECT_MAX, Principal, Right

SECRET_MIN_BYTES = 32  # RFC 7518 section 3.2: a key at least as long as the hash
JWKS_LIFESPAN_S = 300  # how long an issuer's keys are kept before they are asked for again
JWKS_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
TOKEN_MAX = 8 * 1024  # characters
NOTE_EVERY_S = 600.0  # that somebody is there; it counts for weeks
NOTED_MAX = 10_000  # people of whom a server remembers that it noted them; then it begins anew

#: How requests are authenticated. None: they are nobody's.
Authenticate = Callable[[HTTPConnection], Awaitable[Principal | None]]


class Claims(msgspec.Struct, frozen=True):
    """What a token says. Other claims (iat, jti …) mean nothing here."""

    sub: str
    exp: float
    roles: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ("mine",)
    can: tuple[Right, ...] = ("read", "send", "answer", "cancel")
    name: str | None = None
    actor: str | None = None
    agents: tuple[str, ...] = ("*",)


class Authenticates(Protocol):
    """Whatever turns a token into a principal."""

    async def authenticate(self, token: str) -> Principal:
        """Raises Unauthenticated, TokenExpired, Unavailable."""
        ...


class Authenticator:
    """Checks tokens signed with our secret, or with a key that an issuer publishes, or either."""

    def __init__(
        self,
        secret: str | None = None,
        *,
        jwks: str | None = None,
        issuer: str | None = None,
        audience: str | None = None,
    ) -> None:
        self._secret = checked_secret(secret) if secret is not None else None
        self._keys = jwt.PyJWKClient(jwks, lifespan=JWKS_LIFESPAN_S) if jwks else None
        self._issuer = issuer
        self._audience = audience

    async def authenticate(self, token: str) -> Principal:
        """The principal behind a token. Cancelling is safe.

        Raises:
            TokenExpired: get a new one.
            Unauthenticated: it cannot be trusted.
            Unavailable: the issuer's keys cannot be had now.
        """
        if not token or len(token) > TOKEN_MAX:
            raise Unauthenticated
        try:
            claims = await self._verified(token)
        except jwt.ExpiredSignatureError:
            raise TokenExpired from None
        except jwt.PyJWKClientConnectionError as error:
            raise Unavailable(f"The issuer's keys cannot be had now: {error}") from None
        except jwt.PyJWTError as error:
            raise Unauthenticated(f"The token cannot be trusted: {error}.") from None
        return principal_of(claims)

    async def _verified(self, token: str) -> dict[str, Any]:
        algorithm = jwt.get_unverified_header(token).get("alg")
        if algorithm == "HS256" and self._secret is not None:
            return _decoded(token, self._secret, ["HS256"])
        if algorithm in JWKS_ALGORITHMS and self._keys is not None:
            key = await asyncio.to_thread(self._keys.get_signing_key_from_jwt, token)
            return _decoded(token, key, list(JWKS_ALGORITHMS), self._issuer, self._audience)
        raise Unauthenticated("The token is not signed in a way that is accepted here.")


class Noting:
    """Has everybody noted who is let in, with their roles: how the server comes to know who there is.

    A person with the same roles is noted now and then only. That it failed keeps nobody out.
    """

    def __init__(self, note: Callable[[Principal], Awaitable[None]]) -> None:
        self._note = note
        self._noted_s: dict[tuple[str, tuple[str, ...]], float] = {}

    async def seen(self, principal: Principal) -> Principal:
        """The same principal, noted. Cancelling is safe."""
        who, now_s = (principal.subject, principal.roles), time.monotonic()
        if now_s - self._noted_s.get(who, -NOTE_EVERY_S) >= NOTE_EVERY_S:
            if len(self._noted_s) >= NOTED_MAX:
                self._noted_s.clear()
            self._noted_s[who] = now_s
            with contextlib.suppress(HoldfastError):
                await self._note(principal)
        return principal

    def requests(self, authenticate: Authenticate) -> Authenticate:
        """Whoever these requests are from is noted."""

        async def noting(connection: HTTPConnection) -> Principal | None:
            principal = await authenticate(connection)
            return principal and await self.seen(principal)

        return noting

    def tokens(self, authenticator: Authenticates) -> Authenticates:
        """Whoever these tokens are of is noted."""
        return _NotingTokens(authenticator, self)


class _NotingTokens:
    def __init__(self, authenticator: Authenticates, noting: Noting) -> None:
        self._authenticator, self._noting = authenticator, noting

    async def authenticate(self, token: str) -> Principal:
        return await self._noting.seen(await self._authenticator.authenticate(token))


def by_bearer(authenticator: Authenticates) -> Authenticate:
    """Authenticate by `Authorization: Bearer …`. Never by the address: that ends up in logs."""

    async def authenticate(connection: HTTPConnection) -> Principal | None:
        scheme, _, token = connection.headers.get("authorization", "").partition(" ")
        return await authenticator.authenticate(token.strip()) if scheme.lower() == "bearer" else None

    return authenticate


def principal_of(claims: dict[str, Any]) -> Principal:
    """What verified claims say, checked strictly.

    Raises:
        Unauthenticated: a claim has another type than it must have, or a right is unknown.
    """
    try:
        said = msgspec.convert(claims, Claims, strict=True)
    except msgspec.ValidationError as error:
        raise Unauthenticated(f"The token's claims cannot be used: {error}") from None
    for name in (said.sub, *said.roles, *said.sessions, *said.agents):
        if not 0 < len(name) <= SUBJECT_MAX:
            raise Unauthenticated("The token's claims cannot be used: a name is empty or too long.")
    return Principal(
        said.sub,
        said.roles,
        said.sessions,
        said.can,
        said.name,
        said.actor,
        expires_at_ms=int(said.exp * 1_000),
        agents=said.agents,
    )


def checked_secret(secret: str) -> str:
    """The secret, if it is long enough. Raises ValueError."""
    if len(secret.encode()) < SECRET_MIN_BYTES:
        raise ValueError(f"The secret must have at least {SECRET_MIN_BYTES} bytes; set HOLDFAST_SECRET.")
    return secret


def _decoded(
    token: str, key: Any, algorithms: list[str], issuer: str | None = None, audience: str | None = None
) -> dict[str, Any]:
    return jwt.decode(
        token,
        key,
        algorithms=algorithms,
        issuer=issuer,
        audience=audience,
        # A clock that is a little ahead must not lock anybody out: `iat` is not ours to check.
        options={"require": ["exp", "sub"], "verify_iat": False, "verify_aud": audience is not None},
    )
