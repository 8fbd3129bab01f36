"""docs/README.md leads to every page."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_every_page_is_named() -> None:
    named = {link.split("#")[0] for link in re.findall(r"\]\(([^)]+)\)", (DOCS / "README.md").read_text())}
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md") if "examples" not in path.parts}
    assert pages - {"README.md"} <= named
