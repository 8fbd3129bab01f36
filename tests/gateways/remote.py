"""A worker that comes over HTTP, as a program in any language would."""

from __future__ import annotations

from typing import Any

import httpx2
from tests.gateways.rest import Web, token

AGENT = "node"
REFUND = {"name": "refund", "inputSchema": {"type": "object", "properties": {"amount": {"type": "number"}}}}


def tool(name: str = "refund", **rules: Any) -> dict[str, Any]:
    return {**REFUND, "name": name, "rules": rules}


class RemoteWorker:
    """One worker: what it leases, and the number of its next write."""

    def __init__(self, rest: Web, name: str = "worker-1") -> None:
        self.rest = rest
        self._token = token(name, can=("work",), sessions=["*"])
        self.lease: dict[str, Any] = {}
        self.number = 0
        self.version: str | None = None  # what it registered last

    async def ask(self, method: str, path: str, body: Any = None) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self._token}"}
        return await self.rest.ask(method, f"/v1/work/{path}", body, by=None, headers=headers)

    async def register(self, *tools: dict[str, Any], version: str | None = None, **more: Any) -> httpx2.Response:
        """Each time as another version, unless one is named."""
        self.version = version or str(int(self.version or "0") + 1)
        return await self.ask("PUT", f"agents/{AGENT}", {"version": self.version, "tools": list(tools), **more})

    async def take(self, wait: str = "10s", version: str | None = None) -> dict[str, Any]:
        """A turn; it must come."""
        version = version or self.version or "1"
        found = await self.ask("POST", "leases", {"agents": [{"agent": AGENT, "version": version}], "wait": wait})
        assert found.status_code == 200, found.text
        self.lease = found.json()
        self.number = self.lease["number"]
        return self.lease

    @property
    def turn(self) -> str:
        return self.lease["turn"]

    async def send(self, verb: str, *, number: int | None = None, **body: Any) -> httpx2.Response:
        """A write, with the next number or this one."""
        named = {"fence": self.lease["fence"], "number": self.number + 1 if number is None else number}
        return await self.ask("POST", f"turns/{self.turn}/{verb}", {**named, **body})

    async def write(self, verb: str, **body: Any) -> dict[str, Any]:
        """A write that must succeed."""
        sent = await self.send(verb, **body)
        assert sent.status_code == 200, sent.text
        held = sent.json()
        self.number, self.lease["fence"] = held["number"], held["fence"]
        return held

    async def say(self, text: str, op: str | None = None) -> dict[str, Any]:
        chunks = [{"type": "text-start", "id": "t"}, {"type": "text-delta", "id": "t", "delta": text}]
        return await self.write(
            "append", chunks=[*chunks, {"type": "text-end", "id": "t"}], **({"op": op} if op else {})
        )

    async def operations(self) -> list[dict[str, Any]]:
        return (await self.ask("GET", f"turns/{self.turn}/operations")).json()["operations"]


class People:
    """A session with that agent, as people see it."""

    def __init__(self, rest: Web, session: str) -> None:
        self.rest, self.session = rest, session

    @classmethod
    async def begin(cls, rest: Web, **more: Any) -> People:
        started = await rest.post("/v1/sessions", {"agent": AGENT, "message": "Refund A-17.", **more})
        assert started.status_code == 201, started.text
        return cls(rest, started.json()["id"])

    async def snapshot(self) -> dict[str, Any]:
        return (await self.rest.get(f"/v1/sessions/{self.session}")).json()["snapshot"]

    async def text(self) -> str:
        parts = (await self.snapshot())["messages"][-1]["parts"]
        return "".join(part.get("text", "") for part in parts)

    async def open(self) -> dict[str, Any]:
        """The one thing that is asked."""
        [shown] = [one for one in (await self.snapshot())["interrupts"] if "decision" not in one]
        return shown

    async def answer(self, payload: Any, *, by: str = "alice", **token_of: Any) -> dict[str, Any]:
        shown = await self.open()
        headers = {"Authorization": f"Bearer {token(by, sessions=['*'], **token_of)}"}
        body = {"status": "resolved", "payload": payload}
        return (await self.rest.post(f"/v1/interrupts/{shown['id']}/answer", body, by=None, headers=headers)).json()

    async def turn(self) -> dict[str, Any]:
        return (await self.snapshot())["turns"][-1]

    async def events(self) -> list[dict[str, Any]]:
        page = (await self.rest.get(f"/v1/sessions/{self.session}/events?since=0")).json()
        return [entry["event"] for entry in page["events"]]
