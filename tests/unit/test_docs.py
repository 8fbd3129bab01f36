"""The pages name everything that there is: nothing on the wire goes without words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from holdfast.core import errors, events
from holdfast.core.errors import HoldfastError
from holdfast.core.interrupts import PAYLOADS, REASONS
from holdfast.gateways.rest.routes import ROUTES
from holdfast.protocol import close_codes, frames
from holdfast.protocol.frames import Frame
from holdfast.protocol.limits import Limits

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PROTOCOL = (DOCS / "protocol.md").read_text()
PAGES = sorted(DOCS.rglob("*.md"))


def tree(kind: type[Any]) -> Iterator[type[Any]]:
    yield kind
    for narrower in kind.__subclasses__():
        yield from tree(narrower)


def section(title: str) -> str:
    """A section of protocol.md, up to the next one."""
    return PROTOCOL.split(f"\n## {title}\n")[1].split("\n## ")[0]


ERRORS = [kind for kind in tree(HoldfastError) if kind.__module__ == errors.__name__]
FRAMES = [kind for kind in tree(Frame) if not kind.__subclasses__()]
OF_DEVICES = set(frames.DeviceFrame.__args__)


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.code)
def test_every_error_says_what_to_do(kind: type[HoldfastError]) -> None:
    retry = "yes" if kind.retry else "no"
    row = re.search(
        rf"^\| `{kind.code}` \| {kind.status} \| {retry} \| (.+) \| (.+) \|$", section("Errors"), re.MULTILINE
    )
    assert row is not None, f"{kind.code} is not in the table, or not with {kind.status} and {retry}"


def test_no_error_is_made_up() -> None:
    assert set(re.findall(r"^\| `(\w+)`", section("Errors"), re.MULTILINE)) == {kind.code for kind in ERRORS}


@pytest.mark.parametrize("kind", events.Event.__args__, ids=lambda kind: kind.__struct_config__.tag)
def test_every_event_and_its_fields(kind: type[Any]) -> None:
    tag = kind.__struct_config__.tag
    row = re.search(rf"^\| `{re.escape(tag)}` \| (.+)$", section("Events"), re.MULTILINE)
    assert row is not None, f"{tag} is missing"
    assert [name for name in kind.__struct_encode_fields__ if not re.search(rf"\b{name}\b", row[1])] == []


@pytest.mark.parametrize("kind", FRAMES, ids=lambda kind: kind.__struct_config__.tag)
def test_every_frame_and_its_fields(kind: type[Any]) -> None:
    tag = kind.__struct_config__.tag
    direction = "device → server" if kind in OF_DEVICES else "server → device"
    parts = re.split(r"^### ", section(f"Frames: {direction}"), flags=re.MULTILINE)
    [words] = [part for part in parts if part.startswith(f"{tag}\n")]
    shape = words.splitlines()[1]
    assert f'type: "{tag}"' in shape
    names = kind.__struct_encode_fields__
    assert [name for name in names if not re.search(rf"\b{name}\b", shape)] == []


@pytest.mark.parametrize("code", close_codes.ALL, ids=lambda code: str(code.code))
def test_every_close_code(code: close_codes.CloseCode) -> None:
    assert re.search(rf"^\| {code.code} \| .+ \| .+ \|$", section("Close codes"), re.MULTILINE)


@pytest.mark.parametrize(("name", "value"), Limits().told().items())
def test_every_limit_with_its_default(name: str, value: int) -> None:
    assert re.search(rf"^\| `{name}` \| {value} \| .+ \|$", section("Limits"), re.MULTILINE)


@pytest.mark.parametrize("kind", PAYLOADS)
def test_every_kind_of_interrupt(kind: Any) -> None:
    asked, answered = section("Interrupts, answers, decisions").split("### Answers")
    assert f"| `{kind}` | `{REASONS[kind]}` |" in asked
    assert [name for name in PAYLOADS[kind].__struct_encode_fields__ if not re.search(rf"\b{name}\b", answered)] == []


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_route(route: Any) -> None:
    text = section("REST")
    path = re.escape(route.path)
    assert re.search(rf"`?{route.method}\b[^|\n]*{path}(?![/\w{{])", text), f"{route.method} {route.path} is missing"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_what_a_page_points_to_is_there(page: Path) -> None:
    text = page.read_text()
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} points to {target}"
    for path in re.findall(r"`((?:tests|docs|server|client_js)/[\w/.]+\.\w+)`", text):
        assert (ROOT / path).exists(), f"{page.name} names {path}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_anchors_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#\s]*)#([^)]+)\)", page.read_text()):
        if "://" in target:
            continue
        there = (page.parent / target).read_text() if target else page.read_text()
        assert anchor in {_anchor(title) for title in re.findall(r"^#+ (.+)$", there, re.MULTILINE)}, (
            f"{target}#{anchor}"
        )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_each_curl_says_that_it_sends_json(page: Path) -> None:
    """Without it a server refuses the body, and a reader's first try fails."""
    commands = re.findall(r"^curl .*?(?=^curl |```)", page.read_text(), re.MULTILINE | re.DOTALL)
    for command in commands:
        if re.search(r"\s-d ", command):
            assert "Content-Type: application/json" in command, command


def test_the_glossary_defines_each_word_once_and_briefly() -> None:
    glossary = (DOCS / "concepts.md").read_text().split("## Glossary")[1].split("\n## ")[0]
    entries = re.findall(r"^\*\*(.+?)\.\*\* (.+)$", glossary, re.MULTILINE)
    assert len(entries) == len({word for word, _ in entries}) >= 20
    assert [word for word, said in entries if len(re.findall(r"[.](?:\s|$)", said)) > 2] == []


def _anchor(title: str) -> str:
    """The anchor that a heading gets where these pages are read."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
