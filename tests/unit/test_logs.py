"""What a log says of an exception: where it was raised, and never what the variables held."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

RAISES = """
import structlog
{configure}

def pay(card):
    raise ValueError("no")

try:
    pay("4111-secret")
except ValueError:
    structlog.get_logger("t").exception("it failed")
"""


def said(configure: str) -> str:
    script = RAISES.format(configure=configure)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    "configure",
    [
        "from holdfast.cli.logs import to_stderr; to_stderr('info')",
        "from holdfast.wiring import plain_tracebacks; plain_tracebacks()",
    ],
)
def test_an_exception_is_logged_without_its_locals(configure: str) -> None:
    log = said(configure)
    assert "it failed" in log
    assert "ValueError" in log
    assert "4111-secret" not in log.replace('pay("4111-secret")', "")  # the line of the source that was called


def test_without_a_terminal_it_is_json() -> None:
    line = json.loads(said("from holdfast.cli.logs import to_stderr; to_stderr('info')"))
    assert (line["event"], line["level"], line["exception"][0]["exc_type"]) == ("it failed", "error", "ValueError")


def test_how_an_app_logs_is_its_own_affair() -> None:
    own = "structlog.configure(processors=[lambda *_: 'as the app says'])"
    assert said(f"{own}; from holdfast.wiring import plain_tracebacks; plain_tracebacks()") == "as the app says\n"
