"""Where calls of what an app publishes are made and waited for: right here, as the principal of one request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from holdfast.commands import answering, cancelling, published
from holdfast.commands.published import Called
from holdfast.core.errors import NotImplementedYet
from holdfast.core.identity import Principal
from holdfast.core.ids import session_of
from holdfast.core.manifests import Published
from holdfast.gateways.mcp.here import LOOK_S, VIA, why_ended
from holdfast.gateways.mcp.tools import new_ref
from holdfast.gateways.rest.exchange import Services
from holdfast.gateways.rest.watching import watching_session
from holdfast.protocol import frames

#: What in an event may change how a call stands. In a text it costs a read, and no more.
MARKS = (b'"turn.finished"', b'"turn.waiting"', b'"turn.blocked"', b'"interrupt.')


class AppDesk:
    """Calls what the app publishes. Each call is a turn."""

    def __init__(self, services: Services, principal: Principal) -> None:
        self._services, self._principal = services, principal

    @property
    def may_answer(self) -> bool:
        """Whether this token is for answering at all: of an agent's it should not be."""
        return self._principal.has("answer")

    async def published(self) -> list[Published]:
        manifests = await published.published(self._services.backend)
        return [one.published for one in manifests if one.published is not None]

    async def call(self, name: str, arguments: dict[str, Any], ref: str) -> Called:
        """Call it; under the same ref it is the same call. Raises as the command does."""
        return await published.call(self._services.backend, self._principal, name, arguments, ref, VIA)

    async def read(self, turn: str) -> Called:
        return await published.read(self._services.backend, self._principal, turn)

    async def settled(self, called: Called, enough: Callable[[Called], bool]) -> Called:
        """Wait until it has ended, or until it stands so that this is enough. Safe to cancel.

        Raises:
            Draining, TokenExpired: here nobody can wait any longer.
            Otherwise as reading does.
        """
        services = self._services
        if services.hub is None:
            raise NotImplementedYet
        session, since = called.turn.session, called.position
        async with watching_session(services.hub, services.drain, self._principal, session, since, *MARKS) as watch:
            while not called.ended and not enough(called):
                if watch.ended:
                    raise why_ended(self._principal)
                await watch.changed(LOOK_S)
                called = await self.read(called.turn.id)
        return called

    async def answer(self, called: Called, interrupt: str, payload: dict[str, Any]) -> None:
        """Answer what a call asks, as any device would. Raises as the command does; losing is none of it."""
        frame = frames.Answer(new_ref(), called.turn.session, interrupt, "resolved", payload)
        await answering.answer(self._services.backend, self._principal, frame, VIA)

    async def give_up(self, ref: str) -> None:
        """Nobody waits for the call of this ref any more: cancel it. What has run by then stays recorded.

        It need not be known whether it was begun. Raises NotFound: it was not.
        """
        turn = published.turn_of(self._principal, ref)
        frame = frames.Cancel(new_ref(), session_of(turn), turn)
        await cancelling.cancel(self._services.backend, self._principal, frame, VIA)

    async def words(self, called: Called) -> str:
        return await published.words(self._services.backend, called)
