"""Where calls come in: a server that many agents reach, or a process that serves one."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

import anyio

from holdfast.gateways.mcp.desk import Desk, Terms
from holdfast.gateways.mcp.waiting import Progress

if TYPE_CHECKING:
    from mcp import types


class AppTools(Protocol):
    """What the app publishes, for one request."""

    async def tools(self) -> list[types.Tool]: ...

    async def call(self, params: types.CallToolRequestParams) -> types.CallToolResult | types.InputRequiredResult:
        """Call a tool, or wait on for one. Raises HoldfastError, msgspec.ValidationError."""
        ...


class Edge(Protocol):
    """Who asks in each call, on which terms, what there is beside, and how a call can be taken back."""

    def desk(self, context: Any) -> Desk: ...

    def terms(self, context: Any) -> Terms: ...

    def app(self, context: Any, progress: Progress) -> AppTools | None:
        """None: the app is another process's."""
        ...

    def under_way(self, context: Any) -> AbstractContextManager[anyio.CancelScope]:
        """Around one call: whoever made it cancels it by this scope. Raises LimitReached."""
        ...
