"""`holdfast policy`: what a policy says of a call, before anybody makes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from holdfast.cli.rest import Ask, asking
from holdfast.core.errors import HoldfastError
from holdfast.core.policies import VERDICTS, Case, Policy, Ruling, by_rules, deciding, rulings
from holdfast.core.reporting import tried

AGAINST = 1  # the exit code of `try` where a policy would have overruled somebody


@click.group()
def policy() -> None:
    """Say what a policy decides, and why."""


@policy.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--tool", required=True, help="The tool's name.")
@click.option("--input", "arguments", default="{}", show_default=True, help="Its arguments, as a JSON object.")
@click.option("--agent", default="", help="The agent that calls it.")
@click.option("--role", "roles", multiple=True, help="Of whoever asked the agent. May be given several times.")
def explain(path: Path, tool: str, arguments: str, agent: str, roles: tuple[str, ...]) -> None:
    """Which rule of the file PATH decides a call, and why. The rule that decides is marked with `>`."""
    rules = _read(path)
    case = Case(tool=tool, input=_object(arguments), agent=agent, roles=roles)
    said = rulings(rules, case)
    chosen = deciding(said)
    click.echo(_conclusion(rules, case, chosen))
    for ruling in said:
        click.echo(_line(ruling, "> " if ruling is chosen else "  "))


@policy.command("try")
@asking
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=1_000, show_default=True, help="Past calls to look at."
)
def try_policy(ask: Ask, path: Path, limit: int) -> None:
    """What the file PATH would have decided alone about past calls that people were asked about, and what they said.

    Exits with 1 if it would have overruled somebody. Nothing is changed.
    """
    from holdfast.cli.report import past_calls

    calls = past_calls(ask, limit)
    found = tried(_read(path), calls)
    for one in found:
        mark = "! " if one.against else "  "
        click.echo(f"{mark}{one.calls} would be {_SAID[one.verdict]} by {one.rule!r}; people: {one.outcome}")
        if one.against:
            click.echo(f"    {', '.join(one.examples)}")
    click.echo(f"{sum(one.calls for one in found)} of {len(calls)} calls would have needed nobody")
    if any(one.against for one in found):
        raise SystemExit(AGAINST)


_SAID = {"allow": "approved", "deny": "denied"}


def _conclusion(rules: Policy, case: Case, chosen: Ruling | None) -> str:
    if chosen is not None:
        reason = f": {chosen.rule.reason.removesuffix('.')}" if chosen.rule.reason else ""
        heard = "" if chosen.verdict == "deny" else "; the tool's own `approval` can only make it stricter"
        return f"{chosen.verdict}, by {chosen.name!r}{reason}{heard}."
    if (denied := by_rules([rules], case)) is not None:
        return f"{denied.verdict}, by the policy's default: no rule matches."
    default = "the app's default" if rules.default is None else f"the policy's default, {VERDICTS[rules.default]}"
    return f"No rule matches: the tool's own `approval` decides; without one, {default}."


def _line(ruling: Ruling, mark: str) -> str:
    counts = ""
    if ruling.verdict is not None and ruling.verdict != ruling.rule.verdict:
        counts = ", so it asks instead"
    fits = "" if ruling.verdict is None else "matches  "
    why = "" if ruling.verdict == ruling.rule.verdict else f"{ruling.why}{counts}"
    return f"{mark}{ruling.name}  {ruling.rule.action}  {fits}{why}".rstrip()


def _read(path: Path) -> Policy:
    from holdfast.runtime.policies import read

    try:
        return read(path)
    except HoldfastError as error:
        raise click.ClickException(error.message) from None


def _object(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise click.BadParameter(f"it must be a JSON object: {error}", param_hint="--input") from None
