"""The commands of a device at a terminal: the inbox, answers, and a session as it happens.

They stand on the Python client and know no more than any device. Exit codes: 0 it was done, 1 it could not
be, 2 it was asked wrongly, 3 somebody else's answer stands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar

import click
import msgspec

from holdfast import client
from holdfast.client import Answered, Client, Position
from holdfast.client.address import parse
from holdfast.core.errors import HoldfastError, Unauthenticated, Unavailable
from holdfast.core.ids import session_of
from holdfast.device_cli import screen

P = ParamSpec("P")
T = TypeVar("T")

OPEN_S = 5.0  # somebody is sitting there
LOST = 3  # the exit code of an answer that came second


def _json(_context: click.Context, _parameter: click.Parameter, value: str | None) -> Any:
    """A JSON value on the command line."""
    try:
        return None if value is None else msgspec.json.decode(value)
    except msgspec.DecodeError as error:
        raise click.BadParameter(f"{value!r} is not JSON: {error}") from None


def _position(_context: click.Context, _parameter: click.Parameter, value: str | None) -> Position | None:
    """A position on the command line."""
    if value is None:
        return None
    epoch, _, seq = value.rpartition(":")
    if not seq.isdigit() or (not epoch and int(seq) > 0):
        raise click.BadParameter(f"{value!r} is not a position: give EPOCH:SEQ, or 0 for the beginning.")
    return Position(epoch, int(seq))


def _device(
    work: Callable[Concatenate[Client, P], Coroutine[Any, Any, T]],
) -> Callable[P, T]:
    """Give a command a connected client, and its user one clear sentence where something fails."""

    @click.option("--url", envvar="HOLDFAST_URL", default="http://127.0.0.1:8700", show_default=True)
    @click.option("--token", envvar="HOLDFAST_TOKEN", help="Who you are; not needed if the URL holds one.")
    @wraps(work)
    def command(url: str, token: str | None, *args: P.args, **kwargs: P.kwargs) -> T:
        async def run() -> T:
            async with client.connect(url, token=token, device="terminal", open_timeout_s=OPEN_S) as device:
                return await work(device, *args, **kwargs)

        try:
            return asyncio.run(run())
        except (HoldfastError, ValueError) as error:
            code = f" ({error.code})" if isinstance(error, HoldfastError) else ""
            raise click.ClickException(screen.visible(f"{error}{code}{_hint(error, url, token)}")) from None
        except KeyboardInterrupt:
            raise click.exceptions.Exit(130) from None

    return command  # type: ignore[return-value]


def _hint(error: Exception, url: str, token: str | None) -> str:
    """A server waits in silence for a token that nobody sends, so only this side knows what is missing."""
    if not isinstance(error, Unauthenticated | Unavailable) or token or parse(url).token:
        return ""
    return "\nNo token was given: set HOLDFAST_TOKEN, or give as --url the link that `holdfast dev` prints."


def _as_json(fn: Any) -> Any:
    return click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")(fn)


@click.command()
@_as_json
@_device
async def inbox(device: Client, as_json: bool) -> None:
    """What waits for your answer, over all sessions."""
    interrupts = await device.inbox()
    for interrupt in interrupts:
        screen.say(interrupt) if as_json else screen.card(interrupt)
    if not interrupts and not as_json:
        click.echo("Nothing waits for you.")


@click.command()
@click.argument("interrupt")
@click.option("--reason", help="Why; everybody sees it.")
@click.option("--input", "edited", callback=_json, help="Edited arguments, all of them, as JSON.")
@click.option("--seen", help="The inputHash of the arguments that you saw: refused if others stand by now.")
@_as_json
@_device
async def approve(
    device: Client, interrupt: str, reason: str | None, edited: Any, seen: str | None, as_json: bool
) -> None:
    """Say yes to INTERRUPT, for exactly the arguments that it shows.

    Where several decide and one of them has put other arguments in their place, --seen says that you mean those
    (`inbox --json` shows them, with their inputHash, as `edited`).
    """
    payload: dict[str, Any] = {"approved": True} | _given(reason=reason, input=edited, inputHash=seen)
    await _answer(device, interrupt, "resolved", payload, as_json)


@click.command()
@click.argument("interrupt")
@click.option("--reason", help="Why; everybody sees it, the agent too.")
@_as_json
@_device
async def deny(device: Client, interrupt: str, reason: str | None, as_json: bool) -> None:
    """Say no to INTERRUPT."""
    await _answer(device, interrupt, "resolved", {"approved": False} | _given(reason=reason), as_json)


@click.command()
@click.argument("interrupt")
@click.argument("payload", callback=_json, required=False)
@click.option("--text", help='Answer a question in words: the payload {"text": …}.')
@click.option("--select", multiple=True, help="Choose an option of a question; may be given several times.")
@click.option("--cancel", is_flag=True, help="Settle it without an answer.")
@_as_json
@_device
async def answer(
    device: Client,
    interrupt: str,
    payload: Any,
    text: str | None,
    select: tuple[str, ...],
    cancel: bool,
    as_json: bool,
) -> None:
    """Answer INTERRUPT with a PAYLOAD in JSON: docs/protocol.md says which kind takes what."""
    words = _given(text=text, selected=list(select) or None)
    if (payload is not None) + bool(words) + cancel != 1:
        raise click.UsageError("Give one of PAYLOAD, --text or --select, and --cancel.")
    status = "cancelled" if cancel else "resolved"
    await _answer(device, interrupt, status, payload if payload is not None else words or None, as_json)


@click.command()
@click.argument("session")
@click.option("--since", callback=_position, help="Begin after this position: EPOCH:SEQ, or 0.")
@click.option("--until-idle", is_flag=True, help="Stop when no turn is running, queued or waiting.")
@_as_json
@_device
async def tail(device: Client, session: str, since: Position | None, until_idle: bool, as_json: bool) -> None:
    """Show SESSION as it happens, until Ctrl-C."""
    watched = device.session(session)
    events = watched.events()
    await watched.attach(since)
    shown = screen.Lines(watched) if as_json else screen.Screen(watched)
    following = asyncio.create_task(_follow(events, shown), name="tail")
    try:
        idle = asyncio.create_task(watched.wait_for(screen.idle)) if until_idle else None
        ends: list[Awaitable[Any]] = [following] if idle is None else [following, idle]
        await asyncio.wait([asyncio.ensure_future(one) for one in ends], return_when=asyncio.FIRST_COMPLETED)
    finally:
        following.cancel()
    if following.done() and not following.cancelled():
        await following


commands: tuple[click.Command, ...] = (inbox, approve, deny, answer, tail)


async def _follow(events: Any, shown: screen.Lines | screen.Screen) -> None:
    async for news in events:
        shown.show(news)


async def _answer(
    device: Client, interrupt: str, status: Literal["resolved", "cancelled"], payload: Any, as_json: bool
) -> None:
    answered: Answered = await device.session(session_of(interrupt)).answer(interrupt, status, payload)
    screen.say(answered) if as_json else screen.outcome(answered)
    if answered.outcome == "lost":
        raise click.exceptions.Exit(LOST)


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
