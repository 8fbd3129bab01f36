"""`holdfast policy explain`: which rule decides, and why; and the page on policies says what is true."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from holdfast.cli import main
from holdfast.core.policies import Policy
from holdfast.core.policy_text import parse

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "policies.md").read_text()
[TOML, *MORE] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    written = tmp_path / "policy.toml"
    written.write_text(TOML)
    return written


def explain(path: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["policy", "explain", str(path), *words])


def test_the_page_shows_what_is_printed(path: Path) -> None:
    [shown] = re.findall(r"```sh\n\$ holdfast policy explain policy.toml (.*?)```", PAGE, re.DOTALL)
    words, _, output = shown.partition("\n")
    done = explain(path, *shlex.split(words))
    assert (done.exit_code, done.output) == (0, output)


def test_all_that_the_page_shows_can_be_read(path: Path) -> None:
    [unseen, budgets] = [parse(text, "") for text in MORE]
    assert unseen.rules[0].match.compared == ("account", "currency")
    assert [budget.scope for budget in budgets.budgets] == ["person", "session"]
    [code] = re.findall(r"```python\n(from holdfast import Budget.*?)```", PAGE, re.DOTALL)
    exec(code, {})


def test_what_a_call_counts_against(path: Path) -> None:
    path.write_text("".join(MORE))
    said = explain(path, "--tool", "refund", "--input", '{"amount": 70}').output
    assert "  budget daily refunds  takes 70 of 500.0 per person and day; it asks where less" in said
    assert "mails" not in said
    assert "so it asks even" in explain(path, "--tool", "refund", "--input", '{"amount": 501}').output
    assert "amount is no number of 500" in explain(path, "--tool", "refund", "--input", '{"amount": "a"}').output
    new = explain(path, "--tool", "transfer").output
    assert "require_approval  matches" in new
    assert "known only in a session" in new


def test_how_many_of_the_like_are_shown_afterwards(path: Path) -> None:
    path.write_text("sample = 5\n" + TOML.replace('action = "auto_approve"', 'action = "auto_approve"\nsample = 0.5'))
    assert "Of such calls 0.5 % are shown" in explain(path, "--tool", "refund", "--input", '{"amount": 7}').output
    assert "afterwards" not in explain(path, "--tool", "refund", "--input", '{"amount": 70}').output
    path.write_text('sample = 5\ndefault = "auto_approve"\n')
    assert "Of such calls 5 % are shown" in explain(path, "--tool", "refund").output


def test_whether_a_grant_can_answer(path: Path) -> None:
    rule = '[[rules]]\naction = "require_approval"\n'
    path.write_text(rule + "grantable = false\n" + rule)
    assert "cannot answer it" in explain(path, "--tool", "any").output
    path.write_text(rule)
    assert "can answer it" in explain(path, "--tool", "any").output
    path.write_text('[[rules]]\naction = "auto_deny"\n')
    assert "grant" not in explain(path, "--tool", "any").output


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '[[budgets]]\nname = "a"\ncalls = 1\n\n[[budgets]]\nname = "b"\n',
            "line 5: budgets[1]: budget 'b': give",
        ),
        ('[[budgets]]\nname = "a"\ncalls = 1\ntz = "Europe/Atlantis"\n', "there is no time zone"),
        ('[[budgets]]\nname = "a"\ncalls = 1\n[[budgets]]\nname = "a"\ncalls = 2\n', "two budgets have the name 'a'"),
        ('[[budgets]]\nname = "a"\ncalls = 1\nper = "week"\n', "line 1: budgets[0]"),
        ('[[rules]]\naction = "auto_approve"\nmatch.unseen = true\n', "line 1: rules[0]: match.unseen"),
    ],
)
def test_a_budget_that_is_none(text: str, said: str, path: Path) -> None:
    path.write_text(text)
    assert said in explain(path, "--tool", "any").output


def test_the_pages_policy_in_python() -> None:
    [code] = re.findall(r"```python\n(from holdfast import App, Match.*?)```", PAGE, re.DOTALL)
    made: dict[str, object] = {}
    exec(code, made)
    [policy] = made["app"].policies.current()  # type: ignore[attr-defined]
    assert policy == Policy(rules=parse(TOML, "").rules[:1])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--tool", "refund", "--input", '{"amount": 50}'], "allow, by 'small refunds';"),
        (["--tool", "drop_all", "--agent", "ops-1", "--role", "guest"], "deny, by 'no drops for guests': Guests do"),
        (["--tool", "drop_all", "--agent", "ops-1"], "No rule matches: the tool's own `approval` decides; without"),
        (["--tool", "refund", "--input", '{"amount": "a"}'], "so it asks instead"),
    ],
)
def test_which_rule_decides(words: list[str], said: str, path: Path) -> None:
    if "instead" in said:
        path.write_text(TOML + '\n[[rules]]\naction = "auto_deny"\nmatch.input.amount.gt = 9000\n')
    done = explain(path, *words)
    assert done.exit_code == 0
    assert said in done.output
    assert done.output.count("\n> ") == (0 if said.startswith("No rule") else 1)


def test_the_default_that_denies(path: Path) -> None:
    path.write_text('default = "auto_deny"')
    assert explain(path, "--tool", "any").output == "deny, by the policy's default: no rule matches.\n"


@pytest.mark.parametrize(
    ("words", "content", "said"),
    [
        (["--tool", "refund", "--input", "[1]"], "", "--input"),
        (["--tool", "refund", "--input", "{"], "", "--input"),
        ([], "", "--tool"),
        (["--tool", "refund"], "[[rules]]\naction = 1", "line 1: rules[0].action"),
        (["--tool", "refund"], None, "cannot be read"),
    ],
)
def test_what_cannot_be_explained(words: list[str], content: str | None, said: str, path: Path) -> None:
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    done = explain(path, *words)
    assert done.exit_code != 0
    assert said in done.output
