"""What happens while something is pending: nobody answers, somebody writes, a device works, a turn waits for a word."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect
from tests.browser.conftest import DESKTOP, PHONE, Desk, Device
from tests.browser.test_cards import begin, button
from tests.browser.test_console import card, findings, new_conversation, say

MODE = "What this message does to what is going on"


def test_a_card_says_what_happens_while_nobody_answers_and_who_is_asked_then(desk: Desk, device: Device) -> None:
    alice = device(desk.link("alice"))
    mary = device(desk.link("mary", "manager", session=begin(alice, "limit")), PHONE)
    for page in (alice, mary):
        expect(card(page)).to_contain_text("Passed on to the role “manager”")
        expect(card(page)).to_contain_text("it is passed on to the role “director”.")
        expect(card(page)).to_contain_text("for the role “finance” or the role “manager” to answer")
        expect(card(page)).to_contain_text("left, then it is passed on")
    expect(card(alice)).to_contain_text("You may see this, but not answer it.")
    button(card(mary), "Approve").click()
    expect(card(alice)).to_contain_text("Approved by Mary")


def test_a_message_takes_the_place_of_what_waits(desk: Desk, device: Device) -> None:
    page = device(desk.link("alice"))
    begin(page, "refund-M-1")
    page.get_by_label("Message", exact=True).fill("refund-M-2")
    page.get_by_label(MODE).select_option("Instead of this")
    button(page, "Send").click()
    expect(page.locator(".card.closed")).to_contain_text("Replaced by something newer")
    expect(page.locator(".card:not(.closed)")).to_contain_text("M-2")
    expect(page.get_by_label(MODE)).to_have_value("")


def test_only_what_its_agent_takes_is_offered(desk: Desk, device: Device) -> None:
    page = device(desk.link("alice"))
    begin(page, "refund-O-1")
    expect(page.get_by_label(MODE)).to_be_visible()
    assert page.get_by_label(MODE).inner_text().splitlines() == [
        "As usual",
        "After this",
        "Into this",
        "Instead of this",
    ]
    new_conversation(page)
    page.get_by_label("Agent").select_option("one-by-one")
    say(page, "O-2")
    expect(card(page)).to_contain_text("O-2")
    expect(page.get_by_label(MODE)).to_be_hidden()


def test_a_message_waits_behind_what_waits(desk: Desk, device: Device) -> None:
    page = device(desk.link("alice"))
    new_conversation(page)
    expect(page.get_by_label(MODE)).to_be_hidden()
    begin(page, "refund-N-1")
    say(page, "refund-N-2")
    expect(page.locator("#turn")).to_contain_text("1 queued")
    button(card(page), "Deny").click()
    expect(card(page)).to_contain_text("N-2")


def test_a_turn_goes_on_when_somebody_says_so(desk: Desk, device: Device) -> None:
    alice = device(desk.link("alice"))
    bob = device(desk.link("bob", session=begin(alice, "close")), PHONE)
    button(card(bob), "Approve").click()
    for page in (alice, bob):
        expect(page.locator("#turn")).to_contain_text("Ready to continue")
    button(alice, "Continue").click()
    expect(bob.locator(".message.assistant")).to_contain_text("Closed October.")


def test_the_shared_state_is_shown_as_it_changes(desk: Desk, device: Device) -> None:
    alice = device(desk.link("alice"))
    bob = device(desk.link("bob", session=begin(alice, "note-first refund-S-1")), PHONE)
    bob.get_by_text("Shared state, version 1").click()
    expect(bob.locator("#shared .json")).to_have_text('{\n  "note": "first"\n}')
    button(card(alice), "Deny").click()
    say(alice, "note-second")
    expect(bob.locator("#shared")).to_contain_text("version 2")
    expect(bob.locator("#shared .json")).to_have_text('{\n  "note": "second"\n}')
    new_conversation(alice)
    expect(alice.locator("#shared")).to_be_hidden()


def test_an_operator_speaks_in_the_agents_place_until_they_hand_back(desk: Desk, device: Device) -> None:
    alice = device(desk.link("alice"))
    olga = device(desk.link("olga", "operator", session=begin(alice, "refund-T-1")), PHONE)
    expect(button(alice, "Take over")).to_be_hidden()
    button(olga, "Take over").click()
    expect(alice.locator("#takeover")).to_contain_text("Olga speaks in Desk’s place.")
    expect(button(alice, "Hand back")).to_be_hidden()
    olga.get_by_placeholder("Write in Desk’s place").fill("I will look after this myself.")
    olga.keyboard.press("Enter")
    said = alice.locator(".message.assistant", has_text="I will look after this myself.")
    expect(said).to_contain_text("Olga · in the agent’s place")
    say(alice, "refund-T-2")
    button(olga, "All is answered").click()
    expect(alice.locator("#takeover")).to_be_hidden()
    button(card(alice), "Deny").click()
    expect(alice.locator("#turn")).to_have_text(re.compile("Stopped"))
    expect(alice.locator(".card")).to_have_count(1)


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing_serious_while_something_is_pending(desk: Desk, device: Device, size: dict[str, int]) -> None:
    page = device(desk.link("fay", "finance"), size)
    begin(page, "limit")
    expect(card(page)).to_contain_text("passed on to the role “director”")
    assert findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") == size["width"]
