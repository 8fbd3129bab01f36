"""`holdfast turns`: an operator looks at turns and acts on them, through a server."""

from __future__ import annotations

import json
from typing import Any

import click

from holdfast.cli.rest import ask
from holdfast.core.errors import HoldfastError
from holdfast.core.ids import session_of
from holdfast.settings import SettingsError


@click.group()
def turns() -> None:
    """Look at turns and act on them, through a server (HOLDFAST_URL, HOLDFAST_TOKEN)."""


@turns.command("list")
def list_turns() -> None:
    """The turns that run, wait or are blocked, those of the session last written first."""
    for item in _ask("GET", "/v1/sessions?limit=200")["sessions"]:
        if item.get("turn"):
            turn = _ask("GET", f"/v1/turns/{item['turn']}")
            why = f"  {turn['blocked']['message']}" if turn.get("blocked") else ""
            click.echo(f"{turn['id']}  {turn['status']:8}  {turn['agent']}@{turn['version']}{why}")


@turns.command("show")
@click.argument("turn")
def show_turn(turn: str) -> None:
    """One turn, as JSON."""
    click.echo(json.dumps(_ask("GET", f"/v1/turns/{turn}"), indent=2, ensure_ascii=False))


@turns.command("cancel")
@click.argument("turn")
def cancel_turn(turn: str) -> None:
    """End a turn: at once if it waits; when what is under way is recorded, if it runs."""
    _act(turn, f"/v1/sessions/{_session(turn)}/turns/{turn}/cancel")


@turns.command("retry")
@click.argument("turn")
def retry_turn(turn: str) -> None:
    """Let a blocked turn try again."""
    _act(turn, f"/v1/turns/{turn}/retry")


def _act(turn: str, path: str) -> None:
    _ask("POST", path)
    click.echo(_ask("GET", f"/v1/turns/{turn}")["status"])


def _session(turn: str) -> str:
    try:
        return session_of(turn)
    except HoldfastError as error:
        raise click.BadParameter(error.message) from None


def _ask(method: str, path: str) -> dict[str, Any]:
    try:
        return ask(method, path)
    except (SettingsError, ValueError) as error:
        raise click.ClickException(str(error)) from None
