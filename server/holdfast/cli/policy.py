"""`holdfast policy`: what a policy says of a call, before anybody makes it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click
import msgspec

from holdfast.cli.rest import Ask, asking
from holdfast.core.budgets import charges, overruns
from holdfast.core.errors import HoldfastError
from holdfast.core.matching import Case, each
from holdfast.core.policies import MATCHES, VERDICTS, Policy, Ruling, by_rules, deciding, judge, rulings, sampled_share
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
    for line in _budgets(rules, case) + _grants(rules, case, chosen) + _sampled(rules, case):
        click.echo(line)


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
    why = "" if ruling.why == MATCHES else f"{ruling.why}{counts}"
    return f"{mark}{ruling.name}  {ruling.rule.action}  {fits}{why}".rstrip()


def _budgets(rules: Policy, case: Case) -> list[str]:
    """What the call counts against. How much of it is used is known only where it runs."""
    from holdfast.runtime.policies import zone

    lines: list[str] = []
    for charge in charges(rules.budgets, case, int(time.time() * 1_000), zone):
        budget = charge.budget
        takes = charge.why or f"takes {charge.amount}"
        alone = bool(overruns([charge], {}, 0))
        over = ", so it asks even where nothing is used" if alone else "; it asks where less than that is left"
        lines.append(f"  budget {budget.name}  {takes} of {budget.ceiling} per {' and '.join(each(budget.per))}{over}")
    return lines


def _grants(rules: Policy, case: Case, chosen: Ruling | None) -> list[str]:
    """Whether a standing grant could keep it from being asked about."""
    if chosen is None or chosen.verdict != "ask":
        return []
    judged = by_rules([rules], case)
    if judged is not None and not judged.grantable:
        return ["  A standing grant cannot answer it: a rule that matches says so."]
    return ["  A standing grant can answer it: see `holdfast grants list`."]


def _sampled(rules: Policy, case: Case) -> list[str]:
    """How many of such calls are shown to somebody afterwards."""
    ruled = by_rules([rules], case)
    share = sampled_share([rules], judge([rules], ruled, None, "ask"))
    return [f"  Of such calls {share:g} % are shown to somebody afterwards."] if share else []


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
