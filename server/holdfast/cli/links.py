"""`holdfast link`: the address of a page on which one person answers one interrupt, once."""

from __future__ import annotations

from typing import Any

import click

from holdfast.cli.rest import ask
from holdfast.settings import SettingsError


@click.command("link")
@click.argument("interrupt")
@click.option("--sub", help="Who answers by it; you, unless said.")
@click.option("--role", "roles", multiple=True, help="What they answer by; none that you do not have yourself.")
@click.option("--name", help="How they are shown.")
@click.option("--ttl", default="1 day", show_default=True)
def link(interrupt: str, sub: str | None, roles: tuple[str, ...], name: str | None, ttl: str) -> None:
    """Print a link by which SUB, and nobody else, answers INTERRUPT, once (HOLDFAST_URL, HOLDFAST_TOKEN).

    Send it to that person alone: whoever opens it is that person.
    """
    wanted: dict[str, Any] = {"sub": sub, "roles": list(roles) or None, "name": name, "ttl": ttl}
    body = {field: value for field, value in wanted.items() if value is not None}
    try:
        click.echo(ask("POST", f"/v1/interrupts/{interrupt}/links", body)["url"])
    except (SettingsError, ValueError) as error:
        raise click.ClickException(str(error)) from None
