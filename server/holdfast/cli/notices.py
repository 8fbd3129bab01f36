"""`holdfast notices`: an operator looks at notices that were given up, and has them sent again, through a server."""

from __future__ import annotations

from typing import Any

import click

from holdfast.cli.rest import ask
from holdfast.core.exporting import instant
from holdfast.settings import SettingsError

PAGE = 200


@click.group()
def notices() -> None:
    """Look at notices that were given up, and send them again (HOLDFAST_URL, HOLDFAST_TOKEN)."""


@notices.command("list")
@click.option("--limit", type=click.IntRange(1, PAGE), default=50, show_default=True, help="Notices to show.")
def list_notices(limit: int) -> None:
    """Notices that no attempt could deliver, the newest first."""
    found = _ask("GET", f"/v1/notices/dead?limit={limit}")["notices"]
    for one in found:
        about = one.get("interrupt") or one["session"]
        # What names hold comes from outside: nothing in it may steer the terminal.
        line = f"{one['id']}  {instant(one['at'])}  {one['kind']}  {about}  {one['target']}  {one['why']}"
        click.echo("".join(character if character.isprintable() else "?" for character in line))
    if not found:
        click.echo("no notice was given up")


@notices.command("replay")
@click.argument("ids", metavar="ID…", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="The newest thousand.")
def replay_notices(ids: tuple[str, ...], everything: bool) -> None:
    """Send notices again: those named, or --all."""
    if bool(ids) == everything:
        raise click.UsageError("Name the notices to send again, or give --all.")
    reply = _ask("POST", "/v1/notices/dead/replay", {"ids": list(ids)} if ids else {})
    left = f"; {reply['left']} are not: their target is gone, or they were before" if reply["left"] else ""
    click.echo(f"{reply['replayed']} are sent again{left}")


def _ask(method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    try:
        return ask(method, path, body)
    except (SettingsError, ValueError) as error:
        raise click.ClickException(str(error)) from None
