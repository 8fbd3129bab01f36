"""The layout is a promise to the reader: where things are, how long they get, what is tested where."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "server" / "holdfast"
UNIT_TESTS = ROOT / "tests" / "unit"

TOP_LEVEL = {
    "CHANGELOG.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "client_js",
    "compose.yaml",
    "docs",
    "pyproject.toml",
    "server",
    "tests",
}
MAX_LINES = 500  # a module has one noun; beyond this it has two
SHAPELESS = {"base", "common", "helpers", "manager", "utils"}
CLOCKS = {"now", "today", "utcnow"}  # of datetime, which the pure packages may import for its timedelta


def _modules(folder: Path = PACKAGE) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _tracked() -> list[str]:
    # What is tracked, not what lies about: a clone's owner may keep what they like beside it.
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode != 0:
        pytest.skip("not a git clone")
    return [path for path in listing.stdout.split("\0") if path]


def test_top_level_holds_nothing_more() -> None:
    entries = {path.split("/")[0] for path in _tracked()}
    assert {entry for entry in entries if not entry.startswith(".")} <= TOP_LEVEL


@pytest.mark.parametrize(
    "module",
    [
        module
        for package in ("core", "protocol")
        for module in _modules(PACKAGE / package)
        if module.name != "__init__.py"
    ],
    ids=_name,
)
def test_every_pure_module_has_its_test_file(module: Path) -> None:
    mirror = UNIT_TESTS / module.relative_to(PACKAGE).with_name(f"test_{module.name}")
    assert mirror.is_file(), f"{_name(mirror)} is missing"


@pytest.mark.parametrize("package", ["core", "protocol"])
def test_every_test_file_of_a_pure_package_has_its_module(package: str) -> None:
    tested = {path.name.removeprefix("test_") for path in (UNIT_TESTS / package).glob("test_*.py")}
    assert tested <= {path.name for path in (PACKAGE / package).glob("*.py")}


def test_the_map_of_the_rules_has_every_room() -> None:
    drawn = set(re.findall(r"\w+", ast.get_docstring(ast.parse((PACKAGE / "core/__init__.py").read_text())) or ""))
    assert {module.stem for module in _modules(PACKAGE / "core")} - {"__init__"} <= drawn


def test_no_module_is_too_long() -> None:
    lengths = {_name(path): len(path.read_text().splitlines()) for path in _modules()}
    assert {name: length for name, length in lengths.items() if length > MAX_LINES} == {}


def test_no_module_is_named_after_nothing() -> None:
    assert [_name(path) for path in PACKAGE.rglob("*") if path.stem in SHAPELESS] == []


@pytest.mark.parametrize("package", ["core", "protocol"])
def test_pure_packages_read_no_calendar(package: str) -> None:
    # The import contract forbids `time`; this closes the other way to a clock.
    calls = [
        f"{_name(path)}:{node.lineno}"
        for path in _modules(PACKAGE / package)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLOCKS
    ]
    assert calls == []
