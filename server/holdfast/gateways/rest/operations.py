"""For operators: is it alive, may it get requests, and what has it done."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from holdfast.commands import notices
from holdfast.commands.notices import Backlog
from holdfast.core.errors import Draining, HoldfastError, StoreUnavailable
from holdfast.gateways.rest.exchange import Services
from holdfast.gateways.rest.problems import refusal

READY_S = 2.0  # a store that answers later than this answers no user in time either


class Operations:
    """The routes without a token: they tell numbers, and nothing of anybody."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._registry = CollectorRegistry()
        self._numbers = _Numbers(services)
        self._registry.register(self._numbers)

    async def health(self, request: Request) -> Response:  # noqa: ARG002 - Starlette gives it
        """The process answers."""
        return JSONResponse({"status": "ok"})

    async def ready(self, request: Request) -> Response:  # noqa: ARG002
        """It may be sent requests: the store answers, and it is not going away."""
        if self._services.drain is not None and self._services.drain.draining:
            return refusal(Draining())
        try:
            async with asyncio.timeout(READY_S):
                await self._services.backend.manifests.all()
        except TimeoutError:
            return refusal(StoreUnavailable())
        except HoldfastError as error:
            return refusal(error)
        return JSONResponse({"status": "ready"})

    async def metrics(self, request: Request) -> Response:  # noqa: ARG002
        await self._numbers.look()
        return Response(generate_latest(self._registry), media_type="text/plain; version=0.0.4; charset=utf-8")


class _Numbers(Collector):
    """Read when they are asked for, from where they are counted."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._backlog: Backlog | None = None

    async def look(self) -> None:
        """Ask the store what only it knows. What it does not tell in time is left out."""
        self._backlog = None
        with suppress(HoldfastError, TimeoutError):
            async with asyncio.timeout(READY_S):
                self._backlog = await notices.backlog(self._services.backend)

    def collect(self) -> Iterable[Metric]:
        door = self._services.backend.door
        store = door.connection.statistics()
        yield _counter("holdfast_commit_conflicts", "Commits that met a changed record", door.conflicts)
        yield _counter("holdfast_store_commands", "Commands sent to the store", store.commands)
        yield _counter("holdfast_store_connects", "Connections made to the store", store.connects)
        yield _counter("holdfast_store_outcome_unknown", "Commands whose reply never came", store.outcome_unknown)
        yield _counter("holdfast_store_refused_busy", "Commands refused as too many", store.refused_busy)
        yield _gauge("holdfast_store_connected", "Whether the store is connected", int(store.connected))
        yield _gauge("holdfast_store_waiting", "Commands under way", store.queued + store.in_flight)
        if self._backlog is not None:
            yield _gauge("holdfast_notices_waiting", "Notices on their way", self._backlog.waiting)
            yield _gauge("holdfast_notices_given_up", "Notices that were given up", self._backlog.undelivered)
        if self._services.drain is not None:
            yield _gauge("holdfast_connections", "Devices connected", len(self._services.drain))
        if self._services.hub is not None:
            yield _gauge("holdfast_feeds", "Sessions with devices here", len(self._services.hub.feeds))


def _counter(name: str, told: str, value: int) -> Metric:
    return CounterMetricFamily(name, told, value=value)


def _gauge(name: str, told: str, value: int) -> Metric:
    return GaugeMetricFamily(name, told, value=value)
