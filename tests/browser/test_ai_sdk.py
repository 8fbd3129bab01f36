"""`useChat` of the AI SDK in real browsers: a page of somebody's own, bundled as they would, on two devices."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.browser.conftest import DESK, ROOT, Desk, Mortal

from holdfast.cli.processes import secret_of

PAGE = Path(__file__).with_name("ai_sdk_page.js")
ESBUILD = ROOT / "client_js" / "node_modules" / "esbuild" / "bin" / "esbuild"
PACKAGES = ROOT / "tests" / "ecosystem" / "node_modules"

PATIENCE_MS = 40_000  # for a worker's lease to run out after a crash, and another to begin anew

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def script() -> str:
    """The page's code with all that it imports."""
    command = [str(ESBUILD), str(PAGE), "--bundle", "--format=esm", '--define:process.env.NODE_ENV="production"']
    env = {**os.environ, "NODE_PATH": str(PACKAGES)}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=env, timeout=60).stdout


@pytest.fixture
def opened(browser: Browser, desk: Desk, script: str) -> Iterator[Open]:
    """Opens the page as a device of this person, in this session: over a page of the server that has no policy."""
    contexts = []
    errors: list[str] = []

    def open_page(subject: str, session: str, at: Desk = desk) -> Page:
        link = urlsplit(at.link(subject))
        token = link.fragment.removeprefix("token=")
        contexts.append(browser.new_context())
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{link.scheme}://{link.netloc}/healthz?token={token}&id={session}")
        page.add_script_tag(content=script, type="module")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Mortal]:
    """The same agents, on a server with its worker and its store, that can be killed."""
    running = Mortal(DESK, tmp_path)
    running.start()
    yield running
    running.stop()


def say(page: Page, words: str) -> None:
    page.get_by_label("Message").fill(words)
    page.get_by_label("Message").press("Enter")


def outcome(page: Page, words: str) -> None:
    expect(page.locator("section output")).to_contain_text(words)


def test_one_device_asks_and_another_approves(opened: Open) -> None:
    alice = opened("alice", "ai-approve")
    say(alice, "refund-A-17")
    outcome(alice, "approval-requested")
    bob = opened("bob", "ai-approve")
    bob.get_by_role("button", name="Approve").click()
    for page in (alice, bob):
        outcome(page, "output-available  Refunded 99.00 of A-17.")
        expect(page.locator("article.assistant p")).to_have_text("Refunded 99.00 of A-17.\n\n")
        expect(page.locator("main")).to_have_attribute("data-status", "ready")
        expect(page.locator("article.user")).to_have_count(1)


def test_a_denial_and_its_reason_are_shown_on_both(opened: Open) -> None:
    alice = opened("alice", "ai-deny")
    say(alice, "refund-B-2")
    outcome(alice, "approval-requested")
    bob = opened("bob", "ai-deny")
    bob.get_by_role("button", name="Deny").click()
    for page in (alice, bob):
        outcome(page, "output-denied Too much.")
        expect(page.locator("article.assistant p")).to_contain_text("Not done: Too much.")


def test_two_devices_answer_at_once_and_show_the_same(opened: Open) -> None:
    alice = opened("alice", "ai-race")
    say(alice, "refund-C-3")
    outcome(alice, "approval-requested")
    bob = opened("bob", "ai-race")
    outcome(bob, "approval-requested")
    alice.get_by_role("button", name="Approve").click(no_wait_after=True)
    bob.evaluate("() => document.querySelectorAll('button')[1]?.click()")
    for page in (alice, bob):
        expect(page.locator("article.assistant p")).to_be_visible()
        expect(page.locator("main")).to_have_attribute("data-status", "ready")
    assert alice.locator("article.assistant").inner_text() == bob.locator("article.assistant").inner_text()


def test_what_another_device_says_appears_and_a_tool_runs_once(opened: Open) -> None:
    alice = opened("alice", "ai-both")
    say(alice, "nothing")
    expect(alice.locator("article.user")).to_have_count(1)
    bob = opened("bob", "ai-both")
    expect(bob.locator("article.user")).to_have_count(1)
    say(bob, "locate")
    for page in (alice, bob):
        expect(page.locator("article.user")).to_have_count(2)
        outcome(page, "output-available  Paris")
    ran = [page.locator("body").inner_text().count("ran location;") for page in (alice, bob)]
    assert sorted(ran) == [0, 1]


def counted(page: Page, to: int) -> None:
    """The agent has counted up to this, and every number stands there once."""
    words = " ".join(str(number) for number in range(1, to + 1))
    expect(page.locator("article.assistant p")).to_have_text(f"{words} ", timeout=PATIENCE_MS)
    expect(page.locator("main")).to_have_attribute("data-status", "ready")


def test_a_device_that_was_cut_off_in_mid_stream_has_every_word_once(opened: Open) -> None:
    alice = opened("alice", "ai-tunnel")
    say(alice, "count-150")
    bob = opened("bob", "ai-tunnel")
    for page in (alice, bob):
        expect(page.locator("article.assistant p")).to_contain_text("10 ")
    bob.context.set_offline(True)
    expect(alice.locator("article.assistant p")).to_contain_text("100 ")
    expect(bob.locator("article.assistant p")).not_to_contain_text("100 ")
    bob.context.set_offline(False)
    for page in (alice, bob):
        counted(page, 150)


def test_all_is_killed_while_it_waits_and_answered_when_it_is_back(opened: Open, mortal: Mortal) -> None:
    at = Desk(mortal.link, secret_of(mortal.data))
    alice = opened("alice", "ai-kill", at)
    say(alice, "refund-K-1")
    outcome(alice, "approval-requested")
    bob = opened("bob", "ai-kill", at)
    outcome(bob, "approval-requested")
    mortal.kill()
    bob.get_by_role("button", name="Approve").click()  # into the void: it is sent when there is somebody
    mortal.start()
    for page in (alice, bob):
        expect(page.locator("section output")).to_contain_text("output-available  Refunded", timeout=PATIENCE_MS)
        expect(page.locator("article.assistant p")).to_have_text("Refunded 99.00 of K-1.\n\n")


def test_all_is_killed_in_mid_stream_and_every_word_comes_once(opened: Open, mortal: Mortal) -> None:
    at = Desk(mortal.link, secret_of(mortal.data))
    alice = opened("alice", "ai-stream", at)
    say(alice, "count-100")
    bob = opened("bob", "ai-stream", at)
    for page in (alice, bob):
        expect(page.locator("article.assistant p")).to_contain_text("20 ")
    mortal.kill()
    mortal.start()
    for page in (alice, bob):
        counted(page, 100)
