"""`holdfast grants`: what people have allowed once and for all, through a server."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, urlencode

import click

from holdfast.cli.rest import ask
from holdfast.core.exporting import instant
from holdfast.settings import SettingsError


@click.group()
def grants() -> None:
    """List and revoke standing grants, through a server (HOLDFAST_URL, HOLDFAST_TOKEN)."""


@grants.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON Lines.")
@click.option("--limit", default=200, show_default=True, type=click.IntRange(1), help="At most so many.")
def list_grants(as_json: bool, limit: int) -> None:
    """The grants that stand, the newest first: what each lets pass, who gave it, and until when."""
    for grant in _all(limit):
        click.echo(json.dumps(grant, ensure_ascii=False) if as_json else _line(grant))


@grants.command("revoke")
@click.argument("grant")
def revoke_grant(grant: str) -> None:
    """Have the grant GRANT say nothing any more about what is judged from now on."""
    _ask("DELETE", f"/v1/grants/{quote(grant, safe='~')}")
    click.echo("revoked")


def _all(limit: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor: dict[str, Any] = {}
    while len(found) < limit:
        page = _ask("GET", "/v1/grants?" + urlencode(cursor | {"limit": min(limit - len(found), 200)}))
        found += page["grants"]
        if "next" not in page:
            break
        cursor = {"cursor": page["next"]}
    return found


def _line(grant: dict[str, Any]) -> str:
    until = f", until {instant(grant['until'])}" if "until" in grant else ""
    said = f"{grant['id']}  {grant['words']} Given by {grant['by'].get('name', grant['by']['id'])}{until}."
    # What names hold comes from outside: nothing in it may steer the terminal.
    return "".join(character if character.isprintable() else "?" for character in said)


def _ask(method: str, path: str) -> Any:
    try:
        return ask(method, path)
    except (SettingsError, ValueError) as error:
        raise click.ClickException(str(error)) from None
