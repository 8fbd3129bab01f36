"""`holdfast feedback`: what people said about agents, as lines to evaluate and to learn from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, Any
from urllib.parse import quote, urlencode

import click

from holdfast.cli.rest import Ask, asking

PAGE = 200  # sessions that are listed at once


@click.group()
def feedback() -> None:
    """What people said about messages, calls and interrupts (HOLDFAST_URL, HOLDFAST_TOKEN)."""


@feedback.command("export")
@asking
@click.argument("file", type=click.File("w"), default="-")
@click.option("--session", "sessions", multiple=True, help="Of this session; may be given several times. Else: of all.")
@click.option("--label", help="Only what has this label.")
def export_feedback(ask: Ask, file: IO[str], sessions: tuple[str, ...], label: str | None) -> None:
    """Write feedback to FILE as JSON Lines, each with the messages, the call and the decision that it is about."""
    count = 0
    for session in sessions or _sessions(ask):
        for one in ask("GET", f"/v1/sessions/{quote(session, safe='')}/feedback?context=true")["feedback"]:
            if label is None or label in one.get("labels", ()):
                file.write(json.dumps(one, ensure_ascii=False) + "\n")
                count += 1
    click.echo(f"{count} feedbacks", err=True)


def _sessions(ask: Ask) -> Iterator[str]:
    """All that the token may see, page by page."""
    cursor: dict[str, Any] = {}
    while True:
        page = ask("GET", "/v1/sessions?" + urlencode({"limit": PAGE} | cursor))
        yield from (one["session"]["id"] for one in page["sessions"])
        if "next" not in page:
            return
        cursor = {"cursor": page["next"]}
