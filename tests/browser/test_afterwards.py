"""What is looked at afterwards: calls that nobody was asked about, and permissions that stand."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.browser.conftest import DESKTOP, PHONE, Desk, Device
from tests.browser.test_cards import begin, button
from tests.browser.test_console import card, findings
from tests.browser.test_inbox import ask

SIZES = pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])


def pictured(page: Page, size: dict[str, int]) -> None:
    """Everybody can read it, and it fits."""
    assert findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") == size["width"]


@SIZES
def test_what_was_done_without_asking_is_judged_where_it_stands(
    desk: Desk, device: Device, size: dict[str, int]
) -> None:
    page = device(desk.link("alice"), size)
    begin(page, "tip")
    shown = ("Done without asking", "Ines", "4.5", "Tipped Ines 4.50.", "small tips", "Nothing waits", "then it goes")
    for words in shown:
        expect(card(page)).to_contain_text(words)
    expect(page.locator(".message.assistant")).to_contain_text("Tipped Ines 4.50.")
    expect(page).to_have_title(re.compile("^(?![(])"))  # it counts for nothing that waits
    expect(page.locator("#turn")).to_be_hidden()
    pictured(page, size)
    card(page).get_by_label("Comment").fill("She was not there.")
    button(card(page), "Wrong").click()
    expect(card(page)).to_contain_text("Found wrong by Alice on this device")
    expect(card(page)).to_contain_text("“She was not there.”")
    pictured(page, size)


@SIZES
def test_the_inbox_shows_it_after_what_somebody_waits_for(desk: Desk, device: Device, size: dict[str, int]) -> None:
    alice = device(desk.link("alice"))
    begin(alice, "refund-R-1")
    begin(alice, "tip")
    bob = device(desk.link("bob") + "&inbox=", size)
    expect(ask(bob, "Ines").last).to_be_visible()
    names = bob.locator(".ask .name").all_text_contents()
    reviews = [name.startswith("Done without asking") for name in names]
    assert reviews == sorted(reviews)
    expect(ask(bob, "Ines").last.get_by_role("checkbox")).to_be_hidden()
    expect(bob.locator("#inbox")).to_contain_text("done without asking: say whether")
    ask(bob, "Ines").last.get_by_role("button", name="Done without asking").click()
    button(ask(bob, "Ines").last, "Right").click()
    expect(ask(bob, "Ines").last).to_contain_text("Found right by Bob on this device")
    pictured(bob, size)


@SIZES
def test_permissions_that_stand_are_listed_and_revoked(desk: Desk, device: Device, size: dict[str, int]) -> None:
    alice = device(desk.link("alice"))
    begin(alice, "refund-P-1")
    button(card(alice), "Always allow…").click()
    expect(card(alice)).to_contain_text("so far it covers 1")
    button(card(alice), "Approve, and always allow this").click()
    expect(card(alice)).to_contain_text("from now on always")
    page = device(desk.link("alice"), size)
    grants = opened(page, size)
    expect(grants.first).to_contain_text("Always allow refund with exactly these arguments, in this session.")
    expect(grants.first).to_contain_text("Given by you")
    before = grants.count()
    pictured(page, size)
    grants.first.get_by_role("button", name="Revoke").click()
    expect(grants).to_have_count(before - 1)
    expect(page.locator("#announcements")).to_contain_text("It is revoked")
    page.reload()
    expect(opened(page, size)).to_have_count(before - 1)


def opened(page: Page, size: dict[str, int]) -> Locator:
    """The permissions, in their window."""
    if size is PHONE:
        page.locator("#menu").click()
    button(page, "Standing permissions").click()
    expect(button(page, "Close")).to_be_visible()
    return page.locator("#grants li")
