"""What a card shows and lets people do: what is at stake, several votes, who looks, what was changed or taken back."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.browser.conftest import DESKTOP, PHONE, Desk, Device
from tests.browser.test_console import card, findings, new_conversation, say


def begin(page: Page, words: str) -> str:
    """Say the first thing of a new conversation; gives its id."""
    new_conversation(page)
    say(page, words)
    expect(card(page)).to_be_visible()
    return page.evaluate("new URLSearchParams(location.hash.slice(1)).get('session')")


def button(where: Page | Locator, name: str) -> Locator:
    return where.get_by_role("button", name=name, exact=True)


def test_a_card_says_what_is_at_stake(desk: Desk, device: Device) -> None:
    page = device(desk.link("alice"))
    begin(page, "pay")
    for words in ("High risk", "Invoice 2026-118", "cannot be called back", "Two people must approve", "h 59 min left"):
        expect(card(page)).to_contain_text(words)


def test_two_people_approve_what_one_of_them_has_changed(desk: Desk, device: Device) -> None:
    alice = device(desk.link("alice"))
    bob = device(desk.link("bob", session=begin(alice, "pay")), PHONE)
    button(card(alice), "Approve").click()
    expect(card(alice)).to_contain_text("Your vote is in.")
    expect(card(bob)).to_contain_text("1 of 2 approved; one more is needed.")
    expect(card(bob)).to_contain_text("Alice said yes")
    button(card(bob), "Change the arguments").click()
    card(bob).get_by_label("Amount").fill("4000")
    button(card(bob), "Approve with my changes").click()
    for page, whose in ((alice, "Bob"), (bob, "you")):
        expect(card(page)).to_contain_text(f"Changed by {whose}: this is what is voted on now.")
        expect(card(page).locator(".values").first).to_contain_text("4000")
    expect(card(alice)).to_contain_text("1 of 2 approved")  # the vote for other arguments is void
    button(card(alice), "Approve").click()
    expect(card(bob)).to_contain_text("Approved with changes by you and Alice")
    expect(card(alice)).to_contain_text("Approved with changes by Bob and Alice on this device")
    expect(alice.locator(".message.assistant")).to_contain_text("Paid 4000.00 to Nordwind GmbH.")


def test_arguments_that_were_not_changed_after_all_are_approved_as_they_are(desk: Desk, device: Device) -> None:
    alice = device(desk.link("alice"))
    begin(alice, "pay")
    button(card(alice), "Change the arguments").click()
    expect(card(alice).get_by_label("Supplier")).to_be_focused()
    button(card(alice), "Undo my changes").click()
    button(card(alice), "Approve").click()
    expect(card(alice)).to_contain_text("1 of 2 approved")
    expect(card(alice)).not_to_contain_text("Changed by")


def test_others_see_who_is_looking_until_they_let_go(desk: Desk, device: Device) -> None:
    alice = device(desk.link("alice"))
    bob = device(desk.link("bob", session=begin(alice, "refund-A-17")))
    button(card(bob), "I’m looking at this").click()
    expect(card(alice)).to_contain_text("Bob is looking at this.")
    expect(button(card(alice), "I’m looking at this")).to_be_hidden()
    expect(button(card(alice), "Approve")).to_be_enabled()
    button(card(bob), "Let go").click()
    expect(card(alice).get_by_text("Bob is looking")).to_be_hidden()
    expect(button(card(alice), "I’m looking at this")).to_be_visible()


def test_a_card_says_which_agent_asks_where_it_is_one_that_another_called(desk: Desk, device: Device) -> None:
    alice = device(desk.link("alice"))
    begin(alice, "ask-A-17")
    expect(card(alice)).to_contain_text("Cashier asks")
    button(card(alice), "Approve").click()
    expect(alice.locator(".message.assistant .aside summary")).to_have_text("Cashier")
    expect(alice.locator(".message.assistant .call .name")).to_have_text(["Cashier", "Refund"])
    expect(alice.locator(".message.assistant")).to_contain_text("Refunded 99.00 of A-17.")


def test_an_operator_takes_back_what_was_asked(desk: Desk, device: Device) -> None:
    alice = device(desk.link("alice"))
    olga = device(desk.link("olga", "operator", session=begin(alice, "refund-A-17")), PHONE)
    expect(button(card(olga), "Approve")).to_be_visible()
    expect(button(card(alice), "Take it back…")).to_have_count(0)
    button(card(olga), "Take it back…").click()
    card(olga).get_by_label("Why nobody needs to answer it").fill("wrong order")
    button(card(olga), "Take it back").click()
    expect(card(alice)).to_contain_text(re.compile("Taken back by Olga, .*: “wrong order”"))
    expect(alice.locator(".message.assistant")).to_contain_text("Not done: wrong order.")


def test_a_card_says_that_it_reaches_nobody_and_who_answered_for_whom(desk: Desk, device: Device) -> None:
    """Days and absences are not waited for here: the page's own modules are given what the server then says."""
    page = device(desk.link("alice"))
    shown = page.evaluate(
        """async () => {
          const load = (name) => import(new URL(name, document.baseURI));
          const { ladder } = await load("ladder.js");
          const { sentence } = await load("decision.js");
          const handed = { action: "hand_over", at: 0, why: "nobody_known", to: ["role:manager"] };
          const escalations = [handed, { action: "unroutable", at: 0 }];
          const { node, update } = ladder({ escalations, unroutable: "all_away" });
          const climbed = node.textContent;
          update({ unroutable: "nobody_known" });
          const by = { kind: "person", id: "dora", name: "Dora", deputyFor: "bob" };
          const decision = { status: "resolved", payload: { approved: true }, by, at: 0 };
          return [climbed, node.textContent.trim(), sentence({ kind: "approval", decision }, "alice").words];
        }"""
    )
    assert re.fullmatch(
        "Passed on to the role “manager” at .*: nobody could be expected to answer."
        " Everybody who may answer this is away. ?",
        shown[0],
    )
    assert shown[1] == "Nobody who may answer this is known here."
    assert shown[2].startswith("Approved by Dora for bob, ")


def test_what_needs_a_reason_is_not_sent_without(desk: Desk, device: Device) -> None:
    page = device(desk.link("alice"))
    begin(page, "delete")
    button(card(page), "Approve").click()
    expect(card(page)).to_contain_text("Please say why")
    expect(card(page).get_by_label("Reason (needed)")).to_be_focused()
    card(page).get_by_label("Reason (needed)").fill("asked for by the customer")
    button(card(page), "Deny").click()
    expect(card(page)).to_contain_text("Denied by")
    expect(card(page)).to_contain_text("“asked for by the customer”")


def test_a_standing_yes_is_tried_before_it_is_given(desk: Desk, device: Device) -> None:
    page = device(desk.link("alice"), PHONE)
    begin(page, "refund-G-1 refund-G-2")
    button(card(page), "Always allow…").click()
    expect(card(page)).to_contain_text("so far it covers 1")
    card(page).get_by_label("With which arguments").select_option("Amount up to 99, and any other arguments")
    expect(card(page)).to_contain_text("amount lte 99")
    assert findings(page) == []
    button(card(page), "Approve, and always allow this").click()
    expect(card(page)).to_contain_text("Approved, from now on always, by Alice on this device")
    expect(page.locator(".message.assistant")).to_contain_text("Refunded 99.00 of G-2.")
    expect(page.locator(".card")).to_have_count(1)


def test_nobody_gives_a_standing_yes_where_several_must_approve(desk: Desk, device: Device) -> None:
    page = device(desk.link("alice"))
    begin(page, "pay")
    expect(button(card(page), "Always allow…")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing_serious_on_a_full_card(
    desk: Desk, device: Device, size: dict[str, int], scheme: str
) -> None:
    page = device(desk.link("olga", "operator"), size, color_scheme=scheme)
    begin(page, "pay")
    assert findings(page) == []
    button(card(page), "I’m looking at this").click()
    button(card(page), "Change the arguments").click()
    button(card(page), "Take it back…").click()
    expect(card(page)).to_contain_text("You are looking at this.")
    assert findings(page) == []
    button(card(page), "Keep it").click()
    button(card(page), "Approve").or_(button(card(page), "Approve with my changes")).click()
    expect(card(page)).to_contain_text("1 of 2 approved")
    assert findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") == size["width"]


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_form_elsewhere_says_where_it_leads_and_takes_nothing(
    desk: Desk, device: Device, size: dict[str, int]
) -> None:
    page = device(desk.link("alice"), size)
    begin(page, "connect")
    link = card(page).get_by_role("link", name="Go to auth.example.com:8443")
    expect(link).to_have_attribute("href", "https://auth.example.com:8443/authorize?state=x")
    expect(link).to_have_attribute("rel", "noopener noreferrer")
    expect(card(page).get_by_role("textbox")).to_have_count(0)
    assert findings(page) == []
    button(card(page), "I have done it").click()
    expect(card(page)).to_contain_text("Answered")
