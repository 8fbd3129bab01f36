"""The inbox: what waits over all conversations, answered one by one or several at once."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.browser.conftest import DESKTOP, PHONE, Desk, Device
from tests.browser.test_cards import begin, button
from tests.browser.test_console import findings


def ask(page: Page, words: str) -> Locator:
    return page.locator(".ask", has_text=words)


def asked(desk: Desk, device: Device, *messages: str) -> Page:
    """A device of Alice's that has asked all that."""
    page = device(desk.link("alice"))
    for words in messages:
        begin(page, words)
    return page


def test_several_are_answered_at_once_and_each_has_its_own_result(desk: Desk, device: Device) -> None:
    alice = asked(desk, device, "refund-X-1", "refund-X-2", "delete", "pay")
    bob = device(desk.link("bob") + "&inbox=")
    for words in ("X-1", "X-2", "Nordwind"):
        ask(bob, words).first.get_by_role("checkbox").check()
    expect(ask(bob, "Delete account").first.get_by_role("checkbox")).to_be_hidden()  # it needs a reason
    bob.route(re.compile("/v1/interrupts"), lambda _: None)  # he does not hear what comes now
    alice.get_by_role("button", name="Inbox").click()
    ask(alice, "X-2").get_by_role("button", name="Approval needed").click()
    button(ask(alice, "X-2"), "Deny").click()
    expect(ask(alice, "X-2")).to_contain_text("Denied by Alice on this device")
    button(bob, "Approve 3").click()
    expect(ask(bob, "X-1")).to_contain_text("Approved by Bob on this device")
    expect(ask(bob, "X-2")).to_contain_text("Already denied by Alice")
    expect(ask(bob, "Nordwind").first).to_contain_text("Your vote is recorded.")
    expect(bob.locator("#announcements")).to_have_text("1 decided, 1 recorded, 1 answered by somebody before")


def test_what_somebody_else_answers_while_it_is_read_says_so(desk: Desk, device: Device) -> None:
    alice = asked(desk, device, "refund-Y-1")
    bob = device(desk.link("bob") + "&inbox=", PHONE)
    ask(bob, "Y-1").get_by_role("button", name="Approval needed").click()
    expect(ask(bob, "Y-1").get_by_role("definition")).to_have_text(["Y-1", "99"])
    button(alice.locator(".card").last, "Approve").click()
    expect(ask(bob, "Y-1")).to_contain_text("Approved by Alice")
    expect(ask(bob, "Y-1")).not_to_contain_text("Already")


def test_the_inbox_leads_to_the_conversation_and_a_reload_back_to_it(desk: Desk, device: Device) -> None:
    alice = asked(desk, device, "refund-Z-1")
    alice.get_by_role("button", name="Inbox").click()
    alice.reload()
    expect(alice.get_by_role("heading", level=1)).to_have_text("Inbox")
    expect(alice).to_have_title(re.compile(r"^\(\d+\) Inbox"))
    ask(alice, "Z-1").get_by_role("button", name="Approval needed").click()
    button(ask(alice, "Z-1"), "Open the conversation").click()
    expect(alice.get_by_role("heading", level=1)).to_have_text("refund-Z-1")
    alice.go_back()
    expect(alice.get_by_role("heading", level=1)).to_have_text("Inbox")


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing_serious_in_the_inbox(desk: Desk, device: Device, size: dict[str, int]) -> None:
    asked(desk, device, "refund-Q-1", "refund-Q-2")
    bob = device(desk.link("bob") + "&inbox=", size)
    bob.get_by_label("All", exact=True).check()
    ask(bob, "Q-1").first.get_by_role("button", name="Approval needed").click()
    expect(button(ask(bob, "Q-1").first, "Approve")).to_be_visible()
    assert findings(bob) == []
    assert bob.evaluate("document.documentElement.scrollWidth") == size["width"]
