"""The command line: `holdfast serve | worker | dev | token | doctor | policy | turns | schedules | audit`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

import click
from msgspec.structs import replace

from holdfast.core.errors import HoldfastError
from holdfast.core.identity import Right
from holdfast.settings import Settings, SettingsError, check_serving, read

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

RIGHT = click.Choice(get_args(Right))
CANNOT = 2  # the exit code of what cannot be done as it was asked


class OneSentence(click.ClickException):
    """What went wrong, without a traceback."""

    exit_code = CANNOT

    def show(self, file: Any = None) -> None:  # noqa: ARG002 - click's signature
        click.echo(f"holdfast: {self.message}", err=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("holdfast"), prog_name="holdfast")
def main() -> None:
    """Durable, shared conversations for AI agents: many devices, one decision, one continuation."""


def _common(function: F) -> F:
    """The flags of everything that uses the store."""
    for option in (
        click.option("--redis", help="The store's URL (HOLDFAST_REDIS)."),
        click.option("--prefix", help="How all keys begin (HOLDFAST_PREFIX)."),
        click.option("--log", help="debug, info, warning or error (HOLDFAST_LOG)."),
    ):
        function = option(function)
    return function


def _listening(function: F) -> F:
    """The flags of everything that listens."""
    for option in (
        click.option("--host", help="Where to listen (HOLDFAST_HOST); 127.0.0.1 is this machine only."),
        click.option("--port", type=int, help="Where to listen (HOLDFAST_PORT); 0 takes any that is free."),
        click.option("--origins", help="Pages of other origins that may connect (HOLDFAST_ORIGINS)."),
    ):
        function = option(function)
    return function


def _working(function: F) -> F:
    """The flags of everything that judges calls: a worker's own, and a server's for workers that come over HTTP."""
    policy = click.option("--policy", help="A TOML file of rules that decide before a human (HOLDFAST_POLICY).")
    return policy(function)


@main.command()
@_common
@_listening
@_working
def serve(**flags: Any) -> None:
    """Serve devices. Imports no code of yours; agents run in `holdfast worker`."""
    from holdfast.cli import processes

    settings = _settings(flags)
    with _one_sentence():
        check_serving(settings)
    _run(settings, processes.serve(settings))


@main.command()
@click.argument("target", metavar="PATH_OR_MODULE:app")
@_common
@_working
@click.option("--concurrency", type=int, help="Turns to run at once (HOLDFAST_CONCURRENCY).")
def worker(target: str, **flags: Any) -> None:
    """Run the agents of an app."""
    from holdfast.cli import processes

    settings = _settings(flags)
    _run(settings, processes.work(settings, target))


@main.command()
@click.argument("target", metavar="PATH_OR_MODULE:app")
@_common
@_listening
@_working
@click.option("--data", type=click.Path(path_type=Path), default=Path(".data"), show_default=True)
@click.option("--lan", is_flag=True, help="Let other devices of this network in, and show a QR code.")
def dev(target: str, data: Path, lan: bool, **flags: Any) -> None:
    """Server, worker and store in one, for this machine. Prints the link to open."""
    from holdfast.cli import processes

    if lan and flags.get("host") is None:
        flags["host"] = "0.0.0.0"
    settings = _settings({"log": "warning"} | {k: v for k, v in flags.items() if v is not None})
    _run(settings, processes.develop(settings, target, data, lan=lan))


@main.command()
@click.argument("sub")
@click.option("--role", "roles", multiple=True, help="May be given several times.")
@click.option("--session", "sessions", multiple=True, default=("mine",), show_default=True)
@click.option("--can", type=RIGHT, multiple=True, default=("read", "send", "answer", "cancel"), show_default=True)
@click.option("--agent", "agents", multiple=True, default=("*",), show_default=True, help="For workers: as whom.")
@click.option("--ttl", default="1 h", show_default=True)
@click.option("--actor", help="Who acts for SUB.")
@click.option("--name", help="How SUB is shown.")
@click.option("--data", type=click.Path(path_type=Path), help="Sign with the secret of this `dev` folder.")
def token(sub: str, data: Path | None, **claims: Any) -> None:
    """Print a token for SUB, signed with HOLDFAST_SECRET."""
    from holdfast.cli import processes
    from holdfast.gateways.minting import mint_token

    with _one_sentence():
        secret = processes.secret_of(data) if data is not None else _settings({}).secret
    try:
        click.echo(mint_token(sub, secret=secret, **claims))
    except ValueError as error:
        raise OneSentence(str(error)) from None


@main.command()
@_common
def doctor(**flags: Any) -> None:
    """Check the settings, the store and the workers. Exits with 2 if something is wrong."""
    from holdfast.cli import processes

    settings = _settings(flags)
    # Quiet: what it finds is what it says.
    for line in _run(replace(settings, log="error"), processes.examine(settings)):
        click.echo(line)


def _settings(flags: dict[str, Any]) -> Settings:
    with _one_sentence():
        return read(flags)


def _run(settings: Settings, work: Coroutine[Any, Any, T]) -> T:
    """Run a process to its end. What an operator can put right is one sentence; a fault is a traceback."""
    import uvloop

    from holdfast.cli import logs

    logs.to_stderr(settings.log)
    with _one_sentence(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


@contextmanager
def _one_sentence() -> Generator[None]:
    try:
        yield
    except (HoldfastError, SettingsError) as error:
        raise OneSentence(str(error)) from None
    except BaseExceptionGroup as group:
        # Raised in a task of ours: the sentence is inside. Anything else is a fault, and keeps its traceback.
        known, rest = group.split((HoldfastError, SettingsError))
        if known is None or rest is not None:
            raise
        raise OneSentence(_first(known)) from None


def _first(group: BaseExceptionGroup[Any]) -> str:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return str(error)


def _add_commands() -> None:
    from holdfast import device_cli
    from holdfast.cli.audit import audit
    from holdfast.cli.feedback import feedback
    from holdfast.cli.grants import grants
    from holdfast.cli.links import link
    from holdfast.cli.notices import notices
    from holdfast.cli.policy import policy
    from holdfast.cli.schedules import schedules
    from holdfast.cli.turns import turns
    from holdfast.device_cli.mcp import mcp

    main.add_command(audit)
    main.add_command(feedback)
    main.add_command(grants)
    main.add_command(link)
    main.add_command(mcp)
    main.add_command(notices)
    main.add_command(policy)
    main.add_command(schedules)
    main.add_command(turns)
    for command in device_cli.commands:
        main.add_command(command)


_add_commands()
