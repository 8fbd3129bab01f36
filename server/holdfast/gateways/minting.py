"""Minting: tokens for devices, by whoever holds the secret, or by somebody's token within its own rights."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any

import jwt
import msgspec

from holdfast.core.durations import Duration, milliseconds
from holdfast.core.errors import BadRequest, Forbidden, Unauthenticated
from holdfast.core.identity import Principal, Right
from holdfast.gateways.auth import checked_secret, principal_of

DEFAULT_TTL = "1 h"
USUAL_RIGHTS: tuple[Right, ...] = ("read", "send", "answer", "cancel")


def mint_token(
    sub: str,
    *,
    roles: Sequence[str] = (),
    sessions: Sequence[str] = ("mine",),
    can: Sequence[Right] = USUAL_RIGHTS,
    ttl: Duration = DEFAULT_TTL,
    actor: str | None = None,
    name: str | None = None,
    agents: Sequence[str] = ("*",),
    secret: str | None = None,
) -> str:
    """A token for `sub`, signed with the secret (None: `HOLDFAST_SECRET`). Give it to a device's `connect`.

    `ttl` is a duration ("1 h", "7 days", a timedelta). Rights are read, send, answer, cancel, mint, work
    (run turns over HTTP, of these
    `agents`: for workers alone) and admin.

    Raises:
        ValueError: there is no secret, or the claims or the duration cannot be used.
    """
    claims: dict[str, Any] = {
        "sub": sub,
        "exp": int(time.time()) + milliseconds(ttl) // 1_000,
        "roles": list(roles),
        "sessions": list(sessions),
        "can": list(can),
    }
    if tuple(agents) != ("*",):
        claims["agents"] = list(agents)
    claims |= {key: value for key, value in (("actor", actor), ("name", name)) if value is not None}
    try:
        principal_of(claims)
    except Unauthenticated as error:
        raise ValueError(error.message) from None
    return jwt.encode(claims, checked_secret(secret or os.environ.get("HOLDFAST_SECRET", "")), "HS256")


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A token that somebody asks for. What is not given is what the asker has."""

    sub: str | None = None
    roles: tuple[str, ...] | None = None
    sessions: tuple[str, ...] | None = None
    can: tuple[Right, ...] | None = None
    #: A duration: "1 h".
    ttl: str = DEFAULT_TTL
    actor: str | None = None
    name: str | None = None
    agents: tuple[str, ...] | None = None
    ref: str | None = None


class Minted(msgspec.Struct, frozen=True):
    """A token, and when it ends (ms)."""

    token: str
    expiresAt: int


def mint_for(minter: Principal, wanted: Wanted, secret: str) -> Minted:
    """A token that can do nothing that its minter cannot do, and does not outlive its minter's.

    Raises:
        Forbidden: the minter may not mint, or not so much.
        BadRequest: the duration is none.
    """
    if not minter.has("mint"):
        raise Forbidden("Your token does not grant 'mint'.", right="mint")
    own = granted(minter, wanted)
    now_ms = int(time.time() * 1_000)
    try:
        ends_ms = now_ms + milliseconds(wanted.ttl)
    except ValueError as error:
        raise BadRequest(f"ttl: {error}") from None
    ends_ms = min(ends_ms, minter.expires_at_ms or ends_ms)
    claims = msgspec.to_builtins(own) | {"exp": ends_ms // 1_000}
    principal_of(claims)
    return Minted(jwt.encode(claims, secret, "HS256"), ends_ms // 1_000 * 1_000)


class Granted(msgspec.Struct, frozen=True, omit_defaults=True):
    """The claims of a minted token."""

    sub: str
    roles: tuple[str, ...]
    sessions: tuple[str, ...]
    can: tuple[Right, ...]
    actor: str | None = None
    name: str | None = None
    agents: tuple[str, ...] = ("*",)


def granted(minter: Principal, wanted: Wanted) -> Granted:
    """What somebody may be given by this minter.

    Raises:
        Forbidden: it is more than the minter has.
    """
    sub = wanted.sub or minter.subject
    own = sub == minter.subject
    # For oneself all but minting and working; for somebody else no more than people usually may.
    usual: tuple[Right, ...] = tuple(
        right for right in minter.can if (right not in ("mint", "work") if own else right in USUAL_RIGHTS)
    )
    wished = Granted(
        sub=sub,
        roles=wanted.roles if wanted.roles is not None else (minter.roles if own else ()),
        sessions=wanted.sessions if wanted.sessions is not None else (minter.sessions if own else ("mine",)),
        can=wanted.can if wanted.can is not None else usual,
        actor=minter.actor if own and minter.actor is not None else wanted.actor,
        name=wanted.name or (minter.name if own else None),
        agents=wanted.agents if wanted.agents is not None else minter.agents,
    )
    _check_within(minter, wished)
    return wished


def _check_within(minter: Principal, granted: Granted) -> None:
    # A token in another's name reaches what that person reaches: only who reaches everything may give it.
    if granted.sub != minter.subject and "*" not in minter.sessions:
        raise Forbidden("Only who may touch all sessions ('*') may mint for somebody else.", sub=granted.sub)
    _check_subset("can", [right for right in granted.can if not minter.has(right)])
    wide = "*" in minter.agents
    _check_subset("agents", [one for one in granted.agents if not wide and one not in minter.agents])
    _check_subset("roles", [role for role in granted.roles if role not in minter.roles])
    _check_subset("sessions", [pattern for pattern in granted.sessions if not _covered(minter, pattern)])


def _check_subset(what: str, beyond: list[Any]) -> None:
    if beyond:
        raise Forbidden(f"{what}: you do not have {', '.join(map(str, beyond))} yourself.", beyond=beyond)


def _covered(minter: Principal, pattern: str) -> bool:
    """Whether a pattern reaches nothing that the minter does not reach. In doubt it does."""
    if "*" in minter.sessions or pattern in minter.sessions:
        return True
    if pattern == "mine" or any(sign in pattern for sign in "*?["):
        return False
    return minter.within(session=pattern, members={})
