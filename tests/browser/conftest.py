"""A browser, and the demo as `make run` serves it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright
from tests.acceptance.cluster import free_port

from holdfast.cli.processes import secret_of
from holdfast.gateways.minting import mint_token

ROOT = Path(__file__).parents[2]
AGENT = "docs/examples/support/agent.py:app"
DESK = "tests/browser/agents.py:app"
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 375, "height": 740}
STOP_S = 15  # for an orderly end; then it is a failure


@contextmanager
def started(agent: str, data: Path, port: int = 0) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """An agent as `holdfast dev` serves it, at most while this lasts: the process, and the link that a person opens."""
    command = [sys.executable, "-m", "holdfast", "dev", agent, "--port", str(port), "--data", str(data)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as demo:
        try:
            assert demo.stdout is not None
            address = next((line for line in demo.stdout if line.startswith("http")), "")
            assert address, f"`holdfast dev` ended with {demo.wait()} and printed no link"
            yield demo, address.strip()
        finally:
            demo.kill()  # where it has ended, this does nothing


@contextmanager
def serving(agent: str, data: Path) -> Iterator[str]:
    """An agent, served while this lasts: the link that a person opens."""
    with started(agent, data) as (demo, address):
        yield address
        demo.terminate()
        demo.wait(STOP_S)


@pytest.fixture(scope="module")
def link(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The demo's link."""
    with serving(AGENT, tmp_path_factory.mktemp("demo")) as address:
        yield address


class Desk:
    """A desk where several people work: a link for each of them."""

    def __init__(self, address: str, secret: str) -> None:
        self._address = address.partition("#")[0]
        self._secret = secret

    def link(self, subject: str, *roles: str, session: str | None = None) -> str:
        """The link of this person, to this session if one is given."""
        token = mint_token(subject, roles=roles, sessions=["*"], name=subject.title(), secret=self._secret)
        return f"{self._address}#token={token}" + (f"&session={session}" if session else "")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """The agents of `agents.py`."""
    data = tmp_path_factory.mktemp("desk")
    with serving(DESK, data) as address:
        yield Desk(address, secret_of(data))


class Mortal:
    """An agent as `holdfast dev` serves it, on one port and one folder, that is killed and started again."""

    def __init__(self, agent: str, data: Path) -> None:
        self._agent, self.data = agent, data
        self.port = free_port()
        self._process: subprocess.Popen[str] | None = None
        self.fragment = ""

    @property
    def link(self) -> str:
        return f"http://127.0.0.1:{self.port}/#{self.fragment}"

    def start(self) -> None:
        folder = ("--port", str(self.port), "--data", str(self.data))
        command = [sys.executable, "-m", "holdfast", "dev", self._agent, *folder]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        link = next((line.strip() for line in self._process.stdout if line.startswith("http")), "")
        self.fragment = self.fragment or link.partition("#")[2]
        assert self.fragment

    def kill(self) -> None:
        """As kill -9 does."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, sign: signal.Signals) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        self._process.send_signal(sign)
        self._process.wait(STOP_S)
        self._process.stdout.close()


@pytest.fixture(scope="module")
def browser(browser_executable: str | None) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # A container has no sandbox of its own to give, and only our own page is opened.
        chromium = playwright.chromium.launch(executable_path=browser_executable, args=["--no-sandbox"])
        yield chromium
        chromium.close()


Device = Callable[..., Page]


@pytest.fixture
def device(browser: Browser) -> Iterator[Device]:
    """Opens pages, each a device of its own; in the end, none may have had an error."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def open_device(address: str, size: dict[str, int] = DESKTOP, **options: object) -> Page:
        context = browser.new_context(viewport=size, reduced_motion="reduce", **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.extend(_ours(message)))
        page.goto(address)
        return page

    yield open_device
    for context in contexts:
        context.close()
    assert errors == []


def _ours(message: ConsoleMessage) -> list[str]:
    """Blocked scripts and styles, and exceptions; not remarks about a network that a test cut."""
    is_network = any(sign in message.text for sign in ("ERR_INTERNET_DISCONNECTED", "WebSocket", "502 (Bad Gateway)"))
    return [message.text] if message.type == "error" and not is_network else []
