"""The desk of a request to this server: asks right here, as whoever's token came with it."""

from __future__ import annotations

import time

from holdfast.commands import cancelling, gating, notifying
from holdfast.core.errors import Draining, NotImplementedYet, TokenExpired
from holdfast.core.identity import Principal
from holdfast.core.interrupts import Decision
from holdfast.gateways.mcp.tools import new_ref
from holdfast.gateways.rest.exchange import Services
from holdfast.gateways.rest.watching import watching
from holdfast.protocol import frames
from holdfast.protocol.frames import GateShown

VIA = "mcp"
LOOK_S = 60.0  # nothing was said for so long: look once


class ServerDesk:
    """Asks right here, as the principal of one request."""

    def __init__(self, services: Services, principal: Principal) -> None:
        self._services, self._principal = services, principal

    async def request(self, frame: frames.Gate) -> GateShown:
        return (await gating.request(self._services.backend, self._principal, frame, VIA)).gate

    async def read(self, gate: str) -> GateShown:
        return await gating.read(self._services.backend, self._principal, gate)

    async def decision(self, shown: GateShown) -> Decision:
        if self._services.hub is None:
            raise NotImplementedYet
        async with watching(self._services.hub, self._services.drain, self._principal, shown) as watch:
            while shown.decision is None:
                if watch.ended:
                    raise why_ended(self._principal)
                await watch.changed(LOOK_S)
                shown = await self.read(shown.interrupt.id)
        return shown.decision

    async def notify(self, frame: frames.Notify) -> None:
        await notifying.notify(self._services.backend, self._principal, frame, VIA)

    async def withdraw(self, shown: GateShown) -> None:
        frame = frames.Cancel(new_ref(), shown.session, shown.interrupt.turn)
        await cancelling.cancel(self._services.backend, self._principal, frame, VIA)


def why_ended(principal: Principal) -> Draining | TokenExpired:
    """Why nothing more is told: the server goes away, or the token has ended."""
    expired = principal.expires_at_ms is not None and principal.expires_at_ms <= time.time() * 1_000
    return TokenExpired("The token expired while the call waited.") if expired else Draining()
