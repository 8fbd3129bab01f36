"""A route: what is served, and what is described, of one method of one path."""

from __future__ import annotations

from typing import Any

import msgspec

from holdfast.gateways.rest.exchange import BODY_MAX_BYTES, Handler

REF = {"ref": "The command's id: repeating it repeats the reply, not the effect."}


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One method of one path."""

    method: str
    path: str
    handler: Handler
    summary: str
    body: type[Any] | None = None
    body_max: int = BODY_MAX_BYTES
    #: Status → what is answered then.
    replies: dict[int, type[Any]] = {}
    #: Parameters of the query, and what they mean.
    query: dict[str, str] = {}
