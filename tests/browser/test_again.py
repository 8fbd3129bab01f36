"""Saying something once more: beside what was said, and back again, on every device."""

from __future__ import annotations

from playwright.sync_api import Page, expect
from tests.browser.conftest import PHONE, Desk, Device
from tests.browser.test_cards import begin, button
from tests.browser.test_console import card


def answered(page: Page) -> None:
    button(card(page), "Approve").click()
    expect(button(page, "Edit")).to_be_visible()


def test_words_are_edited_and_both_versions_stay(desk: Desk, device: Device) -> None:
    alice = device(desk.link("alice"))
    bob = device(desk.link("bob", session=begin(alice, "refund-A1")), PHONE)
    answered(alice)
    button(alice, "Edit").click()
    alice.get_by_label("Your message").fill("refund-A2")
    button(alice, "Send again").click()
    expect(card(bob)).to_be_visible()
    answered(alice)
    for page in (alice, bob):
        expect(page.locator(".versions:visible")).to_contain_text(["2/2", "2/2"])  # of the question and of its answer
    expect(button(bob, "Edit")).to_be_hidden()  # they are not his words
    bob.locator(".message.user").get_by_role("button", name="Earlier version").click()
    for page in (alice, bob):
        expect(page.locator(".versions:visible")).to_contain_text(["1/2", "1/2"])
        expect(page.locator(".message.user")).not_to_contain_text("A2")
    button(alice, "Answer again").click()
    expect(card(alice)).to_be_visible()


def test_a_version_without_an_answer_leads_back(desk: Desk, device: Device) -> None:
    alice = device(desk.link("alice"))
    begin(alice, "refund-B1")
    answered(alice)
    button(alice, "Edit").click()
    alice.get_by_label("Your message").fill("nothing")  # the agent has nothing to say to that
    button(alice, "Send again").click()
    expect(alice.locator(".message.assistant")).to_have_count(0)
    alice.locator(".message.user").get_by_role("button", name="Earlier version").click()
    expect(alice.locator(".message.assistant")).to_contain_text("Refunded 99.00 of B1.")
