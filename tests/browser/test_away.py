"""Going away, from the page: until when, who answers meanwhile, and being back."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import DESKTOP, PHONE, Desk, Device
from tests.browser.test_cards import begin, button
from tests.browser.test_console import card, findings


def menu(page: Page, name: str = "I’m away…") -> None:
    """Open it; on a phone it is in the drawer."""
    drawer = page.get_by_role("button", name="Conversations")
    if drawer.is_visible():
        drawer.click()
    page.get_by_role("button", name=name).click()
    expect(page.get_by_role("dialog")).to_be_visible()


def test_who_goes_away_is_stood_in_for_until_they_are_back(desk: Desk, device: Device) -> None:
    alice = device(desk.link("alice"))
    fay, dan = device(desk.link("fay", "finance")), device(desk.link("dan"), PHONE)
    session = begin(alice, "limit")
    menu(fay)
    fay.get_by_label("Until").fill("2099-01-01T09:00")
    button(fay.get_by_role("dialog"), "I’m away").click()
    assert fay.get_by_label("Until").evaluate("field => field.validity.rangeOverflow")  # at most 90 days
    fay.get_by_label("Until").fill(fay.evaluate("new Date(Date.now() + 2 * 86400000).toISOString().slice(0, 16)"))
    fay.get_by_label("Who answers for you").fill("dan")
    button(fay.get_by_role("dialog"), "I’m away").click()
    expect(fay.get_by_role("button", name="Away until")).to_be_visible()
    dan.goto(desk.link("dan", session=session))
    button(card(dan), "Approve").click()
    expect(card(alice)).to_contain_text("Approved by Dan for fay")
    menu(dan)
    expect(dan.get_by_role("dialog")).to_contain_text("You answer for fay at the moment.")
    menu(fay, "Away until")
    expect(fay.get_by_label("Who answers for you")).to_have_value("dan")
    button(fay.get_by_role("dialog"), "I’m back").click()
    expect(fay.get_by_role("button", name="I’m away…")).to_be_visible()


def test_another_device_of_the_same_person_is_told(desk: Desk, device: Device) -> None:
    laptop = device(desk.link("gus"))
    menu(laptop)
    button(laptop.get_by_role("dialog"), "I’m away").click()  # until tomorrow morning
    expect(laptop.get_by_role("button", name="Away until")).to_be_visible()
    phone = device(desk.link("gus"), PHONE)
    menu(phone, "Away until")
    button(phone.get_by_role("dialog"), "I’m back").click()
    expect(phone.get_by_role("dialog")).to_be_hidden()


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_everybody_can_use_it(desk: Desk, device: Device, size: dict[str, int]) -> None:
    page = device(desk.link("hal"), size)
    menu(page)
    expect(page.get_by_label("Until")).to_be_focused()
    assert findings(page) == []
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
