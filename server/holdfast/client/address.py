"""Where a server is: the addresses that follow from the one that somebody was given."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit, urlunsplit

WEBSOCKET_PATH = "/v1/ws"

_SCHEMES = {"http": ("http", "ws"), "https": ("https", "wss"), "ws": ("http", "ws"), "wss": ("https", "wss")}


class Address(NamedTuple):
    """A server, and the token if the link held one."""

    #: Of the server, without a slash at the end: "http://localhost:8700".
    http: str
    #: Of its WebSocket: "ws://localhost:8700/v1/ws".
    websocket: str
    token: str | None = None


def parse(url: str) -> Address:
    """The server behind `url`: its page, its WebSocket, or the link that `holdfast dev` prints.

    Raises:
        ValueError: it is not an address of a server, with what would be one.
    """
    scheme, place, path, query, fragment = urlsplit(url)
    if scheme not in _SCHEMES or not place:
        raise ValueError(f"{url!r} is not the address of a server: give one like http://localhost:8700")
    given = parse_qs(fragment or query).get("token", [None])
    path = path.rstrip("/").removesuffix(WEBSOCKET_PATH)
    http, websocket = _SCHEMES[scheme]
    return Address(
        urlunsplit((http, place, path, "", "")),
        urlunsplit((websocket, place, path + WEBSOCKET_PATH, "", "")),
        given[0],
    )
