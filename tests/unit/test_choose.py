"""docs/choose.md leads to every pattern, and to nothing that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
CHOOSE = (DOCS / "choose.md").read_text()
LEAVES = [line for line in CHOOSE.splitlines() if "→" in line]


def linked(text: str, folder: str) -> set[str]:
    return set(re.findall(rf"\]\(({folder}/[^)#]+)", text))


def test_every_pattern_is_a_leaf() -> None:
    there = {str(path.relative_to(DOCS)) for path in DOCS.glob("examples/patterns/*.py")}
    assert linked(CHOOSE, "examples/patterns") == there


def test_every_classic_case_is_named() -> None:
    assert len(linked(CHOOSE.split("## The five classic cases")[1], "examples")) == 5


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.split("→")[1].split("]")[0].strip(" ["))
def test_every_leaf_has_an_example_and_a_page(leaf: str) -> None:
    assert len(linked(leaf, "examples")) == 1
    assert len(linked(leaf, "howto") | linked(leaf, "design")) == 1
