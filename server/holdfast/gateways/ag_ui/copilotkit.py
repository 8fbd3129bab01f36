"""CopilotKit's runtime, for its front end as it is: a thread is a session, and outlives every page and process.

GET  /copilotkit/info                           which agents there are
POST /copilotkit/agent/{agent}/run              RunAgentInput → the events of a run
POST /copilotkit/agent/{agent}/connect          RunAgentInput → the thread as it is, and the run that goes on
POST /copilotkit/agent/{agent}/stop/{thread}    cancels what runs or waits
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import msgspec
from starlette.responses import Response

from holdfast.commands import cancelling
from holdfast.gateways.ag_ui import asking
from holdfast.gateways.ag_ui.over_http import run, streamed
from holdfast.gateways.rest.exchange import Exchange, Reply
from holdfast.gateways.sessions import known
from holdfast.protocol.frames import Cancel

__all__ = ["connect", "info", "run", "stop"]


class AgentInfo(msgspec.Struct, frozen=True):
    name: str
    description: str = ""
    className: str = "Holdfast"


class RuntimeInfo(msgspec.Struct, frozen=True):
    """What the front end asks first."""

    version: str
    agents: dict[str, AgentInfo]
    mode: str = "sse"
    audioFileTranscriptionEnabled: bool = False
    #: The front end then tells its makers nothing of what is done here.
    telemetryDisabled: bool = True


class Stop(msgspec.Struct, frozen=True):
    """Which run is to stop; None: whichever goes on."""

    runId: str | None = None


class Stopped(msgspec.Struct, frozen=True):
    """Whether there was something to stop."""

    stopped: bool


async def info(exchange: Exchange) -> Reply:
    manifests = await exchange.backend.manifests.all()
    agents = {manifest.agent: AgentInfo(manifest.agent) for manifest in manifests}
    return Reply(RuntimeInfo(version("holdfast"), agents))


async def connect(exchange: Exchange) -> Response:
    """Show the thread, and what goes on in it."""
    return await streamed(exchange, *await asking.connect(exchange.backend, exchange.principal, exchange.body))


async def stop(exchange: Exchange) -> Reply:
    """Cancel what goes on. A run that is named and over is not another's to be cancelled in its place."""
    session = exchange.path("thread")
    body: Stop = exchange.body
    turn = await _caused(exchange, session, body.runId) if body.runId else None
    told = await cancelling.cancel(
        exchange.backend, exchange.principal, Cancel(exchange.ref, session, turn), asking.VIA
    )
    return Reply(Stopped(told.turn is not None))


async def _caused(exchange: Exchange, session: str, run: str) -> str | None:
    """The turn that the message of this run caused; None: it said none, but went on with another's."""
    state = await known(exchange.backend, exchange.principal, session)
    placed = state.ordered if state is not None else []
    metadata: list[tuple[dict[str, Any], str | None]] = [
        (one.message.metadata or {}, one.place.turn) for one in placed if one.message.role == "user"
    ]
    return next((turn for said, turn in metadata if said.get("runId") == run), None)
