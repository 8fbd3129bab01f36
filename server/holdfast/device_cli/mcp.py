"""`holdfast mcp`: an MCP server on stdio, for agents that start one. It is a device at a Holdfast server."""

from __future__ import annotations

import asyncio
from importlib.util import find_spec
from typing import Any

import anyio
import click

from holdfast import client
from holdfast.client import Client, GateShown
from holdfast.core.errors import HoldfastError
from holdfast.core.interrupts import Decision
from holdfast.device_cli import screen
from holdfast.gateways.mcp.desk import Terms, terms_of
from holdfast.protocol import frames

MISSING = "This needs the package of the protocol: pip install 'holdfast[mcp]'."


@click.command()
@click.option("--url", envvar="HOLDFAST_URL", default="http://127.0.0.1:8700", show_default=True)
@click.option("--token", envvar="HOLDFAST_TOKEN", help="Who asks; not needed if the URL holds one.")
@click.option(
    "--ask", multiple=True, help="Who may answer: role:ops, or a subject. Without it: the token's own person."
)
@click.option("--expires", default="1 day", show_default=True, help="How long a question stays open.")
@click.option("--wait", default="50 s", show_default=True, help="How long one call waits before it says: still open.")
def mcp(url: str, token: str | None, ask: tuple[str, ...], expires: str, wait: str) -> None:
    """Serve `request_approval`, `ask_human` and a permission prompt over MCP on stdio.

    The token should be able to read, send and cancel, not to answer: an agent must not approve itself.
    """
    if find_spec("mcp") is None:
        raise click.ClickException(MISSING)
    try:
        terms = terms_of(ask, expires, wait)
        asyncio.run(_serve(url, token, terms))
    except (HoldfastError, ValueError) as error:
        code = f" ({error.code})" if isinstance(error, HoldfastError) else ""
        raise click.ClickException(screen.visible(f"{error}{code}")) from None
    except KeyboardInterrupt:
        raise click.exceptions.Exit(130) from None


async def _serve(url: str, token: str | None, terms: Terms) -> None:
    from mcp.server.stdio import stdio_server

    from holdfast.gateways.mcp.server import serving

    async with client.connect(url, token=token, device="agent") as device:
        server = serving(_OneAgent(DeviceDesk(device), terms))
        async with stdio_server() as (incoming, outgoing):
            await server.run(incoming, outgoing, server.create_initialization_options())


class _OneAgent:
    """The edge of a process that serves one agent: the protocol's own server cancels its calls."""

    def __init__(self, desk: DeviceDesk, terms: Terms) -> None:
        self._desk, self._terms = desk, terms

    def desk(self, context: Any) -> DeviceDesk:  # noqa: ARG002 - as any edge
        return self._desk

    def terms(self, context: Any) -> Terms:  # noqa: ARG002
        return self._terms

    def app(self, context: Any, progress: Any) -> None:  # noqa: ARG002
        return None

    def under_way(self, context: Any) -> anyio.CancelScope:  # noqa: ARG002
        return anyio.CancelScope()


class DeviceDesk:
    """Asks at a server, as a device of whoever has the token. It outlives connections and servers."""

    def __init__(self, device: Client) -> None:
        self._device = device

    async def request(self, frame: frames.Gate) -> GateShown:
        gated: frames.Gated = await self._device.command(frame, frame.ref)  # type: ignore[assignment]
        return gated.gate

    async def read(self, gate: str) -> GateShown:
        return await self._device.gate(gate).read()

    async def decision(self, shown: GateShown) -> Decision:
        return await self._device.gate(shown.interrupt.id).wait()

    async def notify(self, frame: frames.Notify) -> None:
        await self._device.command(frame, frame.ref)

    async def withdraw(self, shown: GateShown) -> None:
        await self._device.gate(shown.interrupt.id).cancel()
