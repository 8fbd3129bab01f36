"""Tokens of links: signed, and bound to one interrupt, its arguments, one person, and an instant.

They are signed with a key of their own, so that no link is ever taken for a token that signs somebody in.
"""

from __future__ import annotations

import hashlib
import time

import jwt
import msgspec

from holdfast.core.chain import derive_key
from holdfast.core.durations import Duration, milliseconds
from holdfast.core.errors import TokenExpired, Unauthenticated
from holdfast.core.identity import Principal
from holdfast.core.interrupts import Interrupt
from holdfast.core.voting import effective_hash

TTL: Duration = "1 day"  # of a link, unless said: it is for somebody who is not looking now
KEY_INFO = b"holdfast links 1"  # the key's own use (HKDF's info)
TOKEN_MAX = 4 * 1024  # characters


class LinkClaims(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a link says: who answers what, as which arguments, until when."""

    iid: str
    sub: str
    exp: int
    #: Of the arguments that were shown when it was made; others are not answered by it.
    hash: str | None = None
    roles: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    name: str | None = None
    actor: str | None = None

    @property
    def principal(self) -> Principal:
        """Who answers: with the rights that the link was made with, and none but to answer."""
        return Principal(self.sub, self.roles, self.sessions, ("answer",), self.name, self.actor)


class Link(msgspec.Struct, frozen=True):
    """The address of a page, and when it ends (ms)."""

    url: str
    expiresAt: int


class Links:
    """Makes and reads the tokens of links."""

    def __init__(self, secret: str, public_url: str | None = None) -> None:
        self._key = derive_key(secret.encode(), KEY_INFO)
        self.public_url = public_url

    def make(
        self, base: str, shown: Interrupt, who: Principal, ttl: Duration | None = None, *, ends_ms: int | None = None
    ) -> Link:
        """A link for `who` under the address `base`: as long as `ttl`, and never longer than what it is about.

        Raises:
            ValueError: the duration is none.
        """
        ends = [int(time.time() * 1_000) + milliseconds(ttl or TTL), ends_ms, shown.expiresAt]
        exp = min(one for one in ends if one is not None) // 1_000
        claims = LinkClaims(
            shown.id, who.subject, exp, effective_hash(shown), who.roles, who.sessions, who.name, who.actor
        )
        token = jwt.encode(msgspec.to_builtins(claims), self._key, "HS256")
        return Link(f"{base.rstrip('/')}/link/{token}", exp * 1_000)

    def read(self, token: str) -> LinkClaims:
        """What a link says.

        Raises:
            TokenExpired: its time is over.
            Unauthenticated: it is none of ours.
        """
        if len(token) > TOKEN_MAX:
            raise Unauthenticated
        options = {"require": ["exp", "sub", "iid"]}
        try:
            claims = jwt.decode(token, self._key, algorithms=["HS256"], options=options)  # type: ignore[arg-type]
            return msgspec.convert(claims, LinkClaims, strict=True)
        except jwt.ExpiredSignatureError:
            raise TokenExpired from None
        except (jwt.PyJWTError, msgspec.ValidationError):
            raise Unauthenticated from None


def ref_of(token: str) -> str:
    """The command's id of whatever this link answers: it is always the same, so it answers once."""
    return "link-" + hashlib.sha256(token.encode()).hexdigest()[:40]
