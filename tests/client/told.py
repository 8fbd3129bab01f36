"""What a scripted server tells a device, and the device that it tells."""

from __future__ import annotations

from typing import Any

from tests.client.scripted_server import ScriptedServer

from holdfast import client
from holdfast.client.reconnecting import Waits

SNAPSHOT: dict[str, Any] = {
    "session": None,
    "members": {},
    "messages": [],
    "places": {},
    "turns": {},
    "interrupts": {},
    "state": {},
    "more": False,
    "before": 1,
}


INTERRUPT = {
    "id": "i_1.s",
    "kind": "approval",
    "session": "s",
    "turn": "t_1.s",
    "reason": "tool_call",
    "toolName": "refund",
}


DECISION = {
    "status": "resolved",
    "payload": {"approved": True},
    "by": {"kind": "person", "id": "bob"},
    "via": "websocket",
    "at": 5,
    "ref": "r",
}


def progress(number: int) -> dict[str, Any]:
    return {"type": "turn.progress", "turn": "t_1.s", "progress": number}


def attached(frame: dict[str, Any], seq: int, mode: str = "snapshot", **fields: Any) -> dict[str, Any]:
    shown = {"snapshot": SNAPSHOT} if mode == "snapshot" else {}
    given = {
        "type": "attached",
        "ref": frame["ref"],
        "session": "s",
        "epoch": "e1",
        "seq": seq,
        "mode": mode,
        "head": seq,
    }
    return given | shown | fields


def connect(server: ScriptedServer, **options: Any) -> client.Client:
    return client.connect(server.url, **{"token": "t", "waits": Waits(0.01, 0.01), **options})


async def take(events: Any, count: int) -> list[Any]:
    return [await anext(events) for _ in range(count)]
