"""CopilotKit's chat in real browsers, as it is published, on two devices: Holdfast is its runtime."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect
from tests.browser.conftest import DESK, ROOT, STOP_S, Desk, started

from holdfast.cli.processes import secret_of

PAGE = Path(__file__).with_name("copilotkit_page.js")
ESBUILD = ROOT / "client_js" / "node_modules" / "esbuild" / "bin" / "esbuild"
PACKAGES = ROOT / "tests" / "ecosystem" / "node_modules"
FONTS = [f"--loader:.{kind}=empty" for kind in ("woff", "woff2", "ttf")]
PATIENCE_MS = 60_000  # until a page shows something: it has megabytes of script

pytestmark = pytest.mark.timeout(240)


class Devices:
    """Pages of several people, each in a browser of its own; in the end, none may have had an error."""

    def __init__(self, browser: Browser, scripts: Path) -> None:
        self._browser, self._scripts = browser, scripts
        self._pages: list[Page] = []
        self.errors: list[str] = []

    def open(self, desk: Desk, subject: str, thread: str, agent: str = "desk") -> Page:
        """The chat on this thread: over a page of the server that has no policy."""
        link = urlsplit(desk.link(subject))
        token = link.fragment.removeprefix("token=")
        page = self._browser.new_context().new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self.errors.extend(_errors(message)))
        page.route("**/page/*.js", lambda route: route.fulfill(path=self._scripts / Path(route.request.url).name))
        self._pages.append(page)
        page.goto(f"{link.scheme}://{link.netloc}/healthz?token={token}&id={thread}&agent={agent}")
        self.load(page)
        return page

    def load(self, page: Page) -> None:
        """Until the chat has asked for its thread."""
        with page.expect_response("**/connect"):
            page.add_script_tag(url=f"/page/{PAGE.name}", type="module")

    def close(self) -> None:
        for page in self._pages:
            page.context.close()


def _errors(message: ConsoleMessage) -> list[str]:
    is_icon = message.location["url"].endswith("/favicon.ico")
    return [message.text] if message.type == "error" and not is_icon else []


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's code with all that it imports, in pieces, as a page of somebody's own is built."""
    made = tmp_path_factory.mktemp("copilotkit")
    options = ["--bundle", "--minify", "--splitting", "--format=esm", '--define:process.env.NODE_ENV="production"']
    command = [str(ESBUILD), str(PAGE), *options, *FONTS, f"--outdir={made}"]
    env = {**os.environ, "NODE_PATH": str(PACKAGES)}
    subprocess.run(command, capture_output=True, check=True, env=env, timeout=120)
    return made


@pytest.fixture
def devices(browser: Browser, scripts: Path) -> Iterator[Devices]:
    made = Devices(browser, scripts)
    yield made
    made.close()
    assert made.errors == []


@pytest.fixture
def opened(devices: Devices, desk: Desk) -> Callable[[str, str], Page]:
    return lambda subject, thread: devices.open(desk, subject, thread)


Open = Callable[[str, str], Page]


def say(page: Page, words: str) -> None:
    """Once the chat is idle: what is said before that stays where it was typed."""
    expect(page.get_by_test_id("copilot-chat")).to_have_attribute("data-copilot-running", "false", timeout=PATIENCE_MS)
    page.get_by_role("textbox").fill(words)
    page.get_by_test_id("copilot-send-button").click()
    expect(page.get_by_role("textbox")).to_have_value("")


def shows(page: Page, words: str) -> None:
    expect(page.locator("body")).to_contain_text(words, timeout=PATIENCE_MS)


def asked(page: Page, words: str) -> None:
    say(page, words)
    expect(page.get_by_label("Approval")).to_contain_text("refund {", timeout=PATIENCE_MS)


def test_one_device_asks_and_another_approves(opened: Open) -> None:
    alice = opened("alice", "copilot-approve")
    asked(alice, "refund-A-17")
    bob = opened("bob", "copilot-approve")
    shows(bob, "refund-A-17")
    bob.get_by_role("button", name="Approve").click()
    shows(bob, "Refunded 99.00 of A-17.")
    expect(bob.get_by_label("Approval")).to_have_count(0)
    alice.get_by_role("button", name="Deny").click()  # too late: she is shown what was decided
    shows(alice, "Refunded 99.00 of A-17.")
    expect(alice.get_by_label("Approval")).to_have_count(0)


def test_a_denial_and_its_reason_are_shown_on_both(opened: Open) -> None:
    alice = opened("alice", "copilot-deny")
    asked(alice, "refund-B-2")
    alice.get_by_role("button", name="Deny").click()
    bob = opened("bob", "copilot-deny")
    for page in (alice, bob):
        shows(page, "Not done: Too much.")


def test_two_devices_answer_at_once_and_show_the_same(opened: Open) -> None:
    alice = opened("alice", "copilot-race")
    asked(alice, "refund-C-3")
    bob = opened("bob", "copilot-race")
    expect(bob.get_by_label("Approval")).to_be_visible(timeout=PATIENCE_MS)
    alice.get_by_role("button", name="Approve").click(no_wait_after=True)
    bob.get_by_role("button", name="Deny").click()
    said = [page.get_by_text(" C-3.").or_(page.get_by_text("Not done: ")) for page in (alice, bob)]
    for one in said:
        expect(one).to_be_visible(timeout=PATIENCE_MS)
    assert said[0].inner_text() == said[1].inner_text()


def test_a_tool_of_the_page_runs_once(opened: Open) -> None:
    alice = opened("alice", "copilot-tool")
    say(alice, "locate")
    shows(alice, "Paris")
    bob = opened("bob", "copilot-tool")
    shows(bob, "Paris")
    ran = [page.locator("body").inner_text().count("ran location;") for page in (alice, bob)]
    assert ran == [1, 0]


def test_a_page_that_is_loaded_anew_goes_on_with_what_streams(devices: Devices, desk: Desk) -> None:
    alice = devices.open(desk, "alice", "copilot-reload", "numbers")
    say(alice, "1000")
    shows(alice, " 30 ")
    alice.reload()
    devices.load(alice)
    shows(alice, " 35 ")
    assert " 999" not in alice.locator("body").inner_text()  # it came back in the middle
    shows(alice, " 998 999")
    counted = alice.locator("body").inner_text()
    assert [counted.count(f" {number} ") for number in (30, 31, 150, 998)] == [1, 1, 1, 1]


def test_all_is_killed_while_somebody_is_asked(devices: Devices, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with started(DESK, tmp_path, port) as (first, address):
        alice = devices.open(Desk(address, secret_of(tmp_path)), "alice", "copilot-killed")
        asked(alice, "refund-D-4")
        first.kill()
    with started(DESK, tmp_path, port) as (second, _):
        alice.get_by_role("button", name="Approve").click()
        shows(alice, "Refunded 99.00 of D-4.")
        second.terminate()
        second.wait(STOP_S)
