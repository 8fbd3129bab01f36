"""`holdfast schedules`: what starts by itself, through a server."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import click

from holdfast.cli.rest import Ask, asking


@click.group()
def schedules() -> None:
    """Look at schedules and cancel them, through a server (HOLDFAST_URL, HOLDFAST_TOKEN)."""


@schedules.command("list")
@asking
def list_schedules(ask: Ask) -> None:
    """Schedules by name: when each fires next, how often it did, and what went wrong."""
    after = ""
    while True:
        page = ask("GET", f"/v1/schedules?limit=500&cursor={quote(after)}")
        for one in page["schedules"]:
            click.echo(_line(one))
        after = page.get("next")
        if after is None:
            return


@schedules.command("cancel")
@click.argument("name")
@asking
def cancel_schedule(ask: Ask, name: str) -> None:
    """Have it fire no more."""
    click.echo(ask("DELETE", f"/v1/schedules/{quote(name, safe='')}")["status"])


def _line(one: dict[str, Any]) -> str:
    when = f"{one['cron']} {one.get('timezone', 'UTC')}" if one.get("cron") else "once"
    following = f"next {_instant(one['next'])}" if one.get("next") else "-"
    failed = f"  {one['failed']['code']}: {one['failed']['message']}" if one.get("failed") else ""
    return f"{one['name']}  {one['status']:9}  {one['agent']}  {when}  {following}  fired {one.get('fired', 0)}{failed}"


def _instant(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1_000, UTC).isoformat(timespec="seconds")
