"""docs/parity.md: each row names a test that is there, and leads to a page that is there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/parity.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TEXT.splitlines()
    if line.startswith("| ") and not line.startswith("| ability")
]


@cache
def named_in(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text())
    return frozenset(
        one.name
        for one in tree.body
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef) and one.name[:5] == "test_"
    )


def test_there_are_rows() -> None:
    assert len(ROWS) > 80


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_names_a_test_that_is_there(row: list[str]) -> None:
    ability, _, here, proof = row
    assert ability
    found = re.fullmatch(r"`(tests/[\w/]+\.py)::(test_\w+)`", proof)
    assert found is not None, f"{proof!r} names no test"
    assert found[2] in named_in(ROOT / found[1])
    assert re.search(r"\]\([\w/.-]+(#[\w-]+)?\)", here), "it leads to no page"


def test_no_ability_is_named_twice() -> None:
    abilities = [row[0] for row in ROWS]
    assert len(set(abilities)) == len(abilities)
