"""Who carries out what workers in other languages ask for: wiring gives it, for gateways have no rules."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from holdfast.core.identity import Principal
from holdfast.protocol import work as said


class Work(Protocol):
    """Whoever carries out what workers ask for. Each method raises HoldfastErrors alone."""

    async def register(self, principal: Principal, agent: str, said: said.NewManifest) -> said.Served: ...

    async def lease(
        self,
        principal: Principal,
        wanted: said.LeaseWanted,
        wait_s: float,
        news: asyncio.Event,
        gone: Callable[[], Awaitable[bool]],
    ) -> said.Lease | None: ...

    async def operations(self, principal: Principal, own_id: str) -> said.Recorded: ...

    async def append(self, principal: Principal, own_id: str, body: said.Append) -> said.Held: ...

    async def call(self, principal: Principal, own_id: str, body: said.NewCall) -> said.Performed: ...

    async def result(self, principal: Principal, own_id: str, body: said.NewResult) -> said.Performed: ...

    async def ask(self, principal: Principal, own_id: str, body: said.NewQuestion) -> said.Performed: ...

    async def record(self, principal: Principal, own_id: str, body: said.NewRecord) -> said.Performed: ...

    async def sleep(self, principal: Principal, own_id: str, body: said.NewSleep) -> said.Performed: ...

    async def look(self, principal: Principal, own_id: str, body: said.NewLook) -> said.Steered: ...

    async def wait(self, principal: Principal, own_id: str, body: said.LetGo) -> said.Held: ...

    async def finish(self, principal: Principal, own_id: str, body: said.NewEnd) -> said.Held: ...

    async def release(self, principal: Principal, own_id: str, body: said.Write) -> said.Held: ...
