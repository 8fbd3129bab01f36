"""`holdfast audit`: look at the trail through a server; export it and verify it on the store, or on an export."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, TypeVar
from urllib.parse import urlencode

import click
import msgspec

from holdfast.cli.report import report_lines
from holdfast.cli.rest import ask
from holdfast.core.chain import Anchor, ring
from holdfast.core.durations import milliseconds
from holdfast.core.errors import HoldfastError
from holdfast.core.exporting import COLUMNS as FIELDS
from holdfast.core.exporting import Row, instant, records
from holdfast.core.verifying import Verdict
from holdfast.settings import Settings, SettingsError, read

F = TypeVar("F", bound=Callable[..., Any])

COLUMNS = ("time", "action", "status", "by", "tool", "session", "interrupt")
BAD = 1  # the exit code of `verify` that has found something; what cannot be done at all is 2


class CannotTell(click.ClickException):
    """It can neither be said that all is well nor that it is not."""

    exit_code = 2


@click.group()
def audit() -> None:
    """Who decided what, and whether somebody has edited it since."""


@audit.command("show")
@click.option("--session")
@click.option("--turn")
@click.option("--interrupt")
@click.option("--tool")
@click.option("--by", help="The id of who did it.")
@click.option("--action", help="Such as interrupt.closed.")
@click.option("--status", help="How it went: expired, approved, denied …")
@click.option("--name", help="Of a schedule.")
@click.option("--since", help="2026-05-01, 2026-05-01T12:00Z, or how long ago: '2 days'.")
@click.option("--until", help="Likewise.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Entries to show.")
@click.option("--json", "as_json", is_flag=True, help="JSON Lines instead of a table.")
@click.option("--csv", "as_csv", is_flag=True, help="CSV instead of a table.")
@click.option("--with-bodies", is_flag=True, help="Also arguments, reasons and answers, where the session still lives.")
def show(
    since: str | None,
    until: str | None,
    limit: int,
    as_json: bool,
    as_csv: bool,
    with_bodies: bool,
    **filters: str | None,
) -> None:
    """Entries of the trail, the newest first, through a server (HOLDFAST_URL, HOLDFAST_TOKEN)."""
    given: dict[str, Any] = {name: value for name, value in filters.items() if value is not None}
    given |= {name: _instant(name, text) for name, text in (("since", since), ("until", until)) if text}
    if with_bodies:
        given["bodies"] = "true"
    with _one_sentence():
        entries = _entries(given, limit)
    if as_json or (with_bodies and not as_csv):
        for entry in entries:
            click.echo(json.dumps(entry, ensure_ascii=False))
    elif as_csv:
        _csv(entries)
    else:
        _table([_cells(entry) for entry in entries])


@audit.command("report")
@click.option("--session")
@click.option("--tool")
@click.option("--since", help="2026-05-01, 2026-05-01T12:00Z, or how long ago: '30 days'.")
@click.option("--until", help="Likewise.")
@click.option("--json", "as_json", is_flag=True, help="All of it, as JSON.")
@click.option("--rules", "only_rules", is_flag=True, help="Only the proposed rules, as the TOML of a policy.")
def report(since: str | None, until: str | None, as_json: bool, only_rules: bool, **filters: str | None) -> None:
    """How often people are asked about which tool, what they say, and which rules would have said the same."""
    given: dict[str, Any] = {name: value for name, value in filters.items() if value is not None}
    given |= {name: _instant(name, text) for name, text in (("since", since), ("until", until)) if text}
    with _one_sentence():
        found = ask("GET", "/v1/audit/report?" + urlencode(given))
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
        return
    if not only_rules:
        for line in report_lines(found):
            click.echo("".join(c if c.isprintable() else "?" for c in line))
    for one in found["proposals"]:
        click.echo(("" if only_rules else "\n") + one["toml"], nl=False)


@audit.command("export")
@click.argument("file", type=click.File("wb"))
@click.option("--csv", "as_csv", is_flag=True, help="CSV for people; only JSON Lines can be verified.")
@click.option("--redis", help="The store's URL (HOLDFAST_REDIS).")
@click.option("--prefix", help="How all keys begin (HOLDFAST_PREFIX).")
def export_trail(file: IO[bytes], as_csv: bool, **flags: Any) -> None:
    """Write the whole trail with its seals to FILE ('-': to the terminal), straight from the store."""
    from holdfast.cli.trail import export

    _run(flags, lambda settings: export(settings, file, as_csv=as_csv))


@audit.command("verify")
@click.argument("file", type=click.File("rb"), required=False)
@click.option("--anchors", type=click.File("rb"), help="Anchors that were kept outside of the store, as JSON Lines.")
@click.option("--data", type=click.Path(path_type=Path), help="Verify with the secret of this `dev` folder.")
@click.option("--redis", help="The store's URL (HOLDFAST_REDIS).")
@click.option("--prefix", help="How all keys begin (HOLDFAST_PREFIX).")
def verify_trail(file: IO[bytes] | None, anchors: IO[bytes] | None, data: Path | None, **flags: Any) -> None:
    """Find any entry that was changed, dropped, inserted or moved: in the store, or in an export.

    Needs HOLDFAST_AUDIT_KEY or HOLDFAST_SECRET. Exits with 0 if all is well, with 1 if not, with 2 if it cannot tell.
    """
    from holdfast.cli.trail import verify

    kept = _anchors(anchors)
    if file is None:
        verdicts = _run(flags, lambda settings: verify(settings, kept, data))
    else:
        with _one_sentence():
            verdicts = _verify_file(read(flags), file, kept, data)
    _tell(verdicts)


def _verify_file(settings: Settings, file: IO[bytes], anchors: list[Anchor], data: Path | None) -> list[Verdict]:
    from holdfast.cli.trail import keys
    from holdfast.commands.auditing import Checks

    checks = Checks(ring(keys(settings, data)), anchors)
    for partition, record in records(file):
        checks.feed(partition, record)
    return checks.verdicts()


def _tell(verdicts: list[Verdict]) -> None:
    findings = [one.finding for one in verdicts if one.finding is not None]
    for finding in findings:
        click.echo(f"BAD  {finding}")
    sealed, unsealed = sum(one.sealed for one in verdicts), sum(one.unsealed for one in verdicts)
    gone = sum(one.floor for one in verdicts)
    click.echo(
        f"{sealed} entries are as they were sealed; {unsealed} are not sealed yet"
        + (f"; {gone} older ones were let go" if gone else "")
        + (f"; {len(findings)} of {len(verdicts)} partitions are broken" if findings else "")
    )
    if findings:
        raise SystemExit(BAD)


def _anchors(file: IO[bytes] | None) -> list[Anchor]:
    try:
        return [msgspec.json.decode(line, type=Anchor) for line in file or () if line.strip()]
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"not a file of anchors: {error}", param_hint="--anchors") from None


def _entries(given: dict[str, Any], limit: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor: dict[str, Any] = {}
    while len(found) < limit:
        page = ask("GET", "/v1/audit?" + urlencode(given | cursor | {"limit": min(limit - len(found), 500)}))
        found += page["entries"]
        if "next" not in page:
            break
        cursor = {"cursor": page["next"]}
    return found


def _csv(entries: list[dict[str, Any]]) -> None:
    row = Row()
    click.echo(row.of(FIELDS), nl=False)
    for entry in entries:
        by = entry["by"]
        flat = entry | {"time": instant(entry["at"]), "to": " ".join(entry.get("to", ()))}
        flat |= {"by": by["id"], "by_kind": by["kind"], "actor": by.get("actor"), "deputy_for": by.get("deputyFor")}
        click.echo(row.of(flat.get(name) for name in FIELDS), nl=False)


def _cells(entry: dict[str, Any]) -> list[str]:
    by = entry["by"]
    shown = {**entry, "time": instant(entry["at"]), "by": f"{by['kind']}:{by['id']}"}
    return [str(shown.get(name) or "-") for name in COLUMNS]


def _table(rows: list[list[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(COLUMNS, *rows, strict=True)]
    for row in [list(COLUMNS), *rows]:
        # What names hold comes from outside: nothing in it may steer the terminal.
        cells = ("".join(c if c.isprintable() else "?" for c in cell) for cell in row)
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())


def _instant(name: str, text: str) -> int:
    """An instant by the calendar, or so long ago."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        try:
            return int(time.time() * 1_000) - milliseconds(text)
        except (HoldfastError, ValueError) as error:
            raise click.BadParameter(str(error), param_hint=f"--{name}") from None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1_000)


def _run(flags: dict[str, Any], work: Callable[[Settings], Any]) -> Any:
    import asyncio

    from holdfast.cli.logs import to_stderr

    to_stderr(os.environ.get("HOLDFAST_LOG", "error"))
    with _one_sentence():
        return asyncio.run(work(read(flags)))


@contextmanager
def _one_sentence() -> Generator[None]:
    try:
        yield
    except (HoldfastError, SettingsError, ValueError, OSError) as error:
        raise CannotTell(str(error)) from None
