"""The trail as an operator meets it: a server seals, and the commands show, export and verify it."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from os import environ
from pathlib import Path

import pytest
from tests.gateways.rest import SECRET, Web, token, web

from holdfast.store.connection import Connection
from holdfast.testing import wait_for

BARE = {name: value for name, value in environ.items() if not name.startswith("HOLDFAST_")}
COMMAND = [sys.executable, "-c", "from holdfast.cli import main; main()"]


@pytest.fixture
async def rest(store_url: str, tmp_path: Path) -> AsyncIterator[Web]:
    async with web(store_url, audit_anchors=str(tmp_path / "anchors")) as opened:
        yield opened


def audit(url: str, *words: str, secret: str = SECRET) -> subprocess.CompletedProcess[str]:
    given = BARE | {"HOLDFAST_REDIS": url, "HOLDFAST_SECRET": secret}
    return subprocess.run(
        [*COMMAND, "audit", *words], env=given, capture_output=True, text=True, timeout=30, check=False
    )


async def sealed(url: str, count: int) -> None:
    async def all_of_them() -> bool | None:
        return audit(url, "verify").stdout.startswith(f"{count} entries") or None

    await wait_for(all_of_them, f"{count} entries are sealed", 30)


async def test_shown_exported_verified_and_tampered_with(rest: Web, store_url: str, tmp_path: Path) -> None:
    for name in ("s1", "s2"):
        assert (await rest.post("/v1/sessions", {"agent": "support", "id": name})).status_code == 201
    await sealed(store_url, 2)

    headers = {"Authorization": f"Bearer {token('root', can=('admin',), sessions=['*'])}"}
    shown = await rest.get("/v1/audit?session=s2", by=None, headers=headers)
    assert [(one["action"], one["by"]["id"]) for one in shown.json()["entries"]] == [("session.created", "alice")]
    assert (await rest.get("/v1/audit")).status_code == 403
    assert (await rest.get("/v1/audit?since=soon", by=None, headers=headers)).status_code == 400

    exported, rows = tmp_path / "trail.jsonl", tmp_path / "trail.csv"
    assert audit(store_url, "export", str(exported)).returncode == 0
    assert audit(store_url, "export", "--csv", str(rows)).returncode == 0
    assert [row["action"] for row in csv.DictReader(rows.read_text().splitlines())] == ["session.created"] * 2
    anchors = tmp_path / "anchors"
    assert len([json.loads(line) for line in anchors.read_text().splitlines()]) == 2

    offline = audit("", "verify", str(exported), "--anchors", str(anchors))
    assert (offline.returncode, offline.stdout) == (0, "2 entries are as they were sealed; 0 are not sealed yet\n")

    exported.write_text(exported.read_text().replace('"alice"', '"mallory"', 1))
    found = audit("", "verify", str(exported))
    assert found.returncode == 1
    assert "entry 1: it is not what was sealed" in found.stdout
    assert audit("", "verify", str(rows)).returncode == 2

    assert "was not given" in audit(store_url, "verify", secret="x" * 32).stdout
    await _drop_an_entry(store_url)
    found = audit(store_url, "verify", "--anchors", str(anchors))
    assert found.returncode == 1
    assert "entry 1: it is missing" in found.stdout


async def _drop_an_entry(url: str) -> None:
    connection = Connection(url, name="intruder")
    await connection.open()
    stream = (await connection.execute("KEYS", "*:audit"))[0]
    await connection.execute("XDEL", stream, "1-0")
    await connection.close()


def test_without_a_key_nothing_can_be_said(store_url: str) -> None:
    asked = audit(store_url, "verify", secret="")
    assert asked.returncode == 2
    assert "HOLDFAST_AUDIT_KEY" in asked.stderr


async def test_an_older_anchor_of_another_trail_is_found(rest: Web, store_url: str, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text(json.dumps({"partition": 0, "number": 9, "to": 9, "chain": "00", "at": 1}) + "\n")
    found = audit(store_url, "verify", "--anchors", str(other))
    assert found.returncode == 1
    assert "seal 9 is missing" in found.stdout
