"""`holdfast turns`: an operator looks at turns and acts on them, through a server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import click

from holdfast.cli.rest import Ask, asking
from holdfast.core.errors import HoldfastError
from holdfast.core.ids import session_of


@click.group()
def turns() -> None:
    """Look at turns and act on them, through a server (HOLDFAST_URL, HOLDFAST_TOKEN)."""


@turns.command("list")
@click.option("--status", default="active", show_default=True, help="Or queued … blocked, failed, completed …")
@click.option("--agent", help="Of this agent alone.")
@click.option("--limit", type=click.IntRange(min=1), default=200, show_default=True)
@asking
def list_turns(ask: Ask, status: str, agent: str | None, limit: int) -> None:
    """Turns, the last written first."""
    for _, turn in zip(range(limit), _listed(ask, {"status": status, "agent": agent or ""}), strict=False):
        problem = turn.get("blocked") or turn.get("error")
        why = f"  {problem['message']}" if problem else ""
        click.echo(f"{turn['id']}  {turn.get('end') or turn['status']:9}  {turn['agent']}@{turn['version']}{why}")


@turns.command("show")
@click.argument("turn")
@click.option("--json", "as_json", is_flag=True, help="All of it, for programs.")
@asking
def show_turn(ask: Ask, turn: str, as_json: bool) -> None:
    """One turn: what it did, when, how often it tried, and what it waits for."""
    shown = ask("GET", f"/v1/turns/{turn}")
    if as_json:
        click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
        return
    for line in _lines(shown):
        click.echo(line)


@turns.command("cancel")
@click.argument("turn")
@asking
def cancel_turn(ask: Ask, turn: str) -> None:
    """End a turn: at once if it waits; when what is under way is recorded, if it runs."""
    _act(ask, turn, f"/v1/sessions/{_session(turn)}/turns/{turn}/cancel")


@turns.command("retry")
@click.argument("turn")
@asking
def retry_turn(ask: Ask, turn: str) -> None:
    """Let a blocked turn try again, or a failed one go on from its record: nothing that is done is done again."""
    _act(ask, turn, f"/v1/turns/{turn}/retry")


@turns.command("approve")
@click.argument("turn")
@click.option("--reason", help="Shown with the decision.")
@asking
def approve_turn(ask: Ask, turn: str, reason: str | None) -> None:
    """Open the one gate at which a turn waits."""
    _decide(ask, turn, "approve", reason)


@turns.command("reject")
@click.argument("turn")
@click.option("--reason", help="Shown with the decision, and told to the agent.")
@asking
def reject_turn(ask: Ask, turn: str, reason: str | None) -> None:
    """Close it: the turn is told no."""
    _decide(ask, turn, "reject", reason)


def _listed(ask: Ask, wanted: dict[str, str]) -> Iterator[dict[str, Any]]:
    after = ""
    while True:
        page = ask("GET", "/v1/turns?" + urlencode({**wanted, "cursor": after}))
        yield from page["turns"]
        after = page.get("next")
        if after is None:
            return


def _lines(turn: dict[str, Any]) -> Iterator[str]:
    yield f"{turn['id']}  {turn.get('end') or turn['status']}  {turn['agent']}@{turn['version']}"
    yield f"  for {turn['requester']['subject']}, since {_instant(turn['createdAt'])}"
    for problem in (turn.get("blocked"), turn.get("error")):
        if problem:
            yield f"  {problem['code']}: {problem['message']}"
    for operation in turn["operations"]:
        yield f"  {_operation(operation)}"
    for shown in turn["interrupts"]:
        until = f", until {_instant(shown['expiresAt'])}" if shown.get("expiresAt") else ""
        yield f"  open: {shown['id']}  {shown['kind']} {shown.get('toolName') or ''}{until}"


def _operation(one: dict[str, Any]) -> str:
    times = [_instant(one[name]) for name in ("begunAt", "doneAt") if one.get(name)]
    tried = f"  {one['attempts']} attempts" if one.get("attempts", 0) > 1 else ""
    due = f"  until {_instant(one['due'])}" if one.get("due") and one["status"] == "waiting" else ""
    why = f"  {one['reason']}" if one.get("reason") else ""
    return f"{one['key']:32}  {one.get('outcome') or one['status']:9}  {' – '.join(times)}{tried}{due}{why}"


def _instant(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1_000, UTC).isoformat(timespec="seconds")


def _act(ask: Ask, turn: str, path: str) -> None:
    ask("POST", path)
    shown = ask("GET", f"/v1/turns/{turn}")
    click.echo(shown["status"])


def _decide(ask: Ask, turn: str, way: str, reason: str | None) -> None:
    click.echo(ask("POST", f"/v1/turns/{turn}/{way}", {"reason": reason} if reason else None)["outcome"])


def _session(turn: str) -> str:
    try:
        return session_of(turn)
    except HoldfastError as error:
        raise click.BadParameter(error.message) from None
