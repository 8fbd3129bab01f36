"""The page, in a real browser on the real server with the demo's agent: what a person sees."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, Route, expect
from tests.browser.conftest import DESKTOP, PHONE, Device


def say(page: Page, words: str) -> None:
    page.get_by_label("Message", exact=True).fill(words)
    page.keyboard.press("Enter")


def begin(page: Page, words: str) -> str:
    """Say the first thing of a new conversation; gives the link with which another device comes in."""
    new_conversation(page)
    say(page, words)
    expect(page).to_have_url(re.compile("session="))
    page.get_by_role("button", name="Open on your phone").click()
    address = page.get_by_label("Link").input_value()
    page.get_by_role("button", name="Close").click()
    return address


def new_conversation(page: Page) -> None:
    """Whatever goes on, begin anew; on a phone the button is in the drawer."""
    menu, anew = (page.get_by_role("button", name=name) for name in ("Conversations", "New conversation"))
    expect(menu.or_(anew).filter(visible=True).first).to_be_visible()  # the page is there: which of the two, it knows
    if menu.is_visible():
        menu.click()
    anew.click()
    expect(page.locator("#welcome")).to_be_visible()


def card(page: Page) -> Locator:
    return page.locator(".card").last


def agent_said(page: Page, words: str) -> Locator:
    return page.locator(".message.assistant", has_text=words)


def is_live(page: Page) -> None:
    """The device follows: its own circle is among those that are present."""
    expect(page.locator(".avatar").first).to_be_visible()


def findings(page: Page) -> list[str]:
    """What axe-core calls serious or critical."""
    violations = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {[node['target'] for node in each['nodes']]}"
        for each in violations
        if each["impact"] in ("serious", "critical")
    ]


def test_two_devices_see_one_approval_and_the_phone_decides(link: str, device: Device) -> None:
    desktop = device(link)
    phone = device(begin(desktop, "please give me €120.50 back for order number e 46"), PHONE)
    for page in (desktop, phone):
        expect(card(page)).to_contain_text("Approval needed")
        expect(card(page).get_by_role("definition")).to_have_text(["E-46", "120.5"])
        expect(page.locator(".avatar")).to_have_count(2)
    card(phone).get_by_role("button", name="Approve").click()
    expect(card(phone)).to_contain_text(re.compile("Approved by .* on this device"))
    expect(card(desktop)).to_contain_text(re.compile("Approved by .* on another device"))
    for page in (desktop, phone):
        expect(agent_said(page, "Done: €120.50 for E-46")).to_have_count(1)
        expect(page.locator(".call .state")).to_have_text(["done", "done"])


def test_a_phone_with_the_same_link_is_shown_what_the_laptop_began(link: str, device: Device) -> None:
    """Nobody has to find the conversation: it comes to who has opened the page and begun nothing."""
    desktop, phone = device(link), device(link, PHONE)
    for page in (desktop, phone):
        new_conversation(page)
    say(desktop, "please refund all of E-46")
    expect(card(phone)).to_contain_text("Approval needed")
    expect(desktop.get_by_role("listitem").filter(has_text="waits for an answer").first).to_be_visible()
    card(phone).get_by_role("button", name="Deny").click()
    expect(card(desktop)).to_contain_text("Denied by")


def test_a_no_with_its_reason_is_shown_everywhere(link: str, device: Device) -> None:
    desktop = device(link)
    phone = device(begin(desktop, "I want to return B-118"), PHONE)
    card(phone).get_by_role("button", name="Add a reason").click()
    card(phone).get_by_label("Reason").fill("It was opened")
    card(phone).get_by_role("button", name="Deny").click()
    for page in (desktop, phone):
        expect(card(page)).to_contain_text("Denied by")
        expect(card(page)).to_contain_text("“It was opened”")
        expect(agent_said(page, "The answer was no: It was opened")).to_have_count(1)


def test_the_exact_arguments_can_be_read_as_json(link: str, device: Device) -> None:
    page = device(link)
    begin(page, "refund half of d17")
    card(page).get_by_role("button", name="Show as JSON").click()
    expect(card(page).locator(".json")).to_have_text('{\n  "order_id": "D-17",\n  "amount": 184\n}')


def test_a_reload_in_mid_stream_shows_everything_once(link: str, device: Device) -> None:
    page = device(link)
    begin(page, "What can you do?")
    expect(agent_said(page, "You can ask")).to_be_visible()
    page.reload()
    expect(agent_said(page, "Name the order by its number, such as A-17.")).to_have_count(1)
    expect(page.locator(".message.user")).to_have_text([re.compile("What can you do")])
    expect(page.locator(".message.assistant li")).to_have_count(4)
    assert page.locator("#messages").inner_text().count("You can ask me things like these") == 1


def test_an_answer_given_offline_arrives(link: str, device: Device) -> None:
    desktop = device(link)
    phone = device(begin(desktop, "refund 99 euros on F-60"), PHONE)
    expect(card(phone)).to_contain_text("Approval needed")
    is_live(phone)
    phone.context.set_offline(True)
    expect(phone.get_by_text("You are offline. What you answer is sent when you are back.")).to_be_visible()
    card(phone).get_by_role("button", name="Approve").click()
    expect(card(phone)).to_contain_text("Sent when you are back online.")
    expect(card(desktop)).to_contain_text("Approval needed")
    phone.context.set_offline(False)
    for page in (phone, desktop):
        expect(agent_said(page, "Done: €99.00 for F-60")).to_have_count(1, timeout=20_000)


def test_who_was_too_late_is_told_who_was_first(link: str, device: Device) -> None:
    desktop = device(link)
    phone = device(begin(desktop, "refund C-77"), PHONE)
    expect(card(phone)).to_contain_text("Approval needed")
    is_live(phone)
    phone.context.set_offline(True)
    card(phone).get_by_role("button", name="Deny").click()
    expect(card(phone)).to_contain_text("Sent when you are back online.")
    card(desktop).get_by_role("button", name="Approve").click()
    expect(agent_said(desktop, "Done: €119.00 for C-77")).to_have_count(1)
    phone.context.set_offline(False)
    expect(card(phone)).to_contain_text("Already approved by", timeout=20_000)
    expect(card(phone)).to_contain_text("Your answer came too late and changed nothing.")
    expect(agent_said(phone, "Done: €119.00 for C-77")).to_have_count(1)


def test_stop_ends_a_turn_that_waits(link: str, device: Device) -> None:
    page = device(link)
    begin(page, "cancel D-33")
    expect(card(page)).to_contain_text("Approval needed")
    page.get_by_role("button", name="Stop").click()
    expect(card(page)).to_contain_text("Cancelled")
    expect(page.locator("#turn")).to_contain_text("Stopped")


def test_stop_in_mid_stream_keeps_what_was_written(link: str, device: Device) -> None:
    page = device(link)
    begin(page, "help")
    expect(agent_said(page, "You can ask")).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#turn")).to_contain_text("Stopped")
    expect(agent_said(page, "You can ask")).not_to_contain_text("Name the order by its number")


def test_it_works_by_keyboard_alone(link: str, device: Device) -> None:
    page = device(link)
    begin(page, "refund A-42")
    page.get_by_role("button", name="Show", exact=True).focus()
    page.keyboard.press("Enter")
    expect(card(page).get_by_role("heading")).to_be_focused()
    approve = card(page).get_by_role("button", name="Approve")
    for _ in range(3):
        page.keyboard.press("Tab")
        if approve.evaluate("button => button === document.activeElement"):
            break
    expect(approve).to_be_focused()
    page.keyboard.press("Enter")
    expect(card(page).get_by_text("Approved by")).to_be_visible()
    expect(page.locator("#announcements")).to_contain_text(re.compile("Approved|Done"))


def test_the_conversations_are_listed_the_newest_first(link: str, device: Device) -> None:
    page = device(link)
    begin(page, "hello there")
    page.get_by_role("button", name="New conversation").click()
    begin(page, "where is F 312?")
    names = page.locator("#session-list .name")
    expect(names.nth(0)).to_have_text("where is F 312?")
    expect(names.nth(1)).to_have_text("hello there")
    names.nth(1).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("hello there")
    expect(page.locator(".message.user")).to_have_count(1)


def test_the_token_leaves_the_address_bar(link: str, device: Device) -> None:
    page = device(link)
    expect(page.get_by_label("Message", exact=True)).to_be_visible()
    assert "token" not in page.url


def test_text_is_never_markup(link: str, device: Device) -> None:
    page = device(link)
    begin(page, "refund <img src=x onerror=alert(1)> [x](javascript:alert(1)) **bold**")
    expect(page.locator(".message.user")).to_contain_text("<img src=x onerror=alert(1)>")
    assert page.locator("#messages img").count() == 0
    assert page.locator("#messages a").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing_serious(link: str, device: Device, size: dict[str, int], scheme: str) -> None:
    page = device(link, size, color_scheme=scheme)
    expect(page.get_by_role("heading", level=2)).to_be_visible()
    assert findings(page) == []
    begin(page, "refund B-21")
    expect(card(page)).to_contain_text("Approval needed")
    assert findings(page) == []
    card(page).get_by_role("button", name="Deny").click()
    expect(agent_said(page, "The answer was no")).to_have_count(1)
    assert findings(page) == []


def test_arguments_are_shown_as_they_are(link: str, device: Device) -> None:
    page = device(link)
    shown = page.evaluate(
        """async () => {
          const { title, values } = await import(new URL("values.js", document.baseURI));
          const node = values({ order: "A\\u202e17\\nB", "to\\u200b": 1 });
          document.body.append(node);
          const cell = node.querySelector("dd");
          const { unicodeBidi, whiteSpace } = getComputedStyle(cell);
          const json = node.querySelector(".json");
          return [title("pay\\u202e"), cell.textContent, node.querySelectorAll("dt")[1].textContent, unicodeBidi,
            whiteSpace, json.textContent, json.querySelectorAll("bdi").length];
        }"""
    )
    json = '{\n  "order": "A‹U+202E›17\\nB",\n  "to‹U+200B›": 1\n}'
    assert shown == ["Pay‹U+202E›", "A‹U+202E›17\nB", "To‹U+200B›", "isolate", "pre-wrap", json, 3]


def test_a_title_is_shown_as_it_is_and_cut_between_characters(link: str, device: Device) -> None:
    page = device(link)
    begin(page, "\u202e" + "x" * 58 + "😀😀")
    expect(page.get_by_role("heading", level=1)).to_have_text("‹U+202E›" + "x" * 58 + "😀")


def test_the_start_page_says_that_its_token_is_not_valid(link: str, browser: Browser) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(link.partition("#")[0] + "#token=bad")
        expect(page.locator("#banner")).to_contain_text("This link is not valid any more.")
        expect(page.get_by_label("Message", exact=True)).to_be_disabled()


def test_the_start_page_says_that_the_server_is_gone(link: str, browser: Browser) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.route_web_socket(re.compile("/v1/ws"), lambda socket: socket.close())
        page.goto(link)
        expect(page.locator("#banner")).to_contain_text("The connection was lost.")


def test_a_conversation_is_followed_though_its_rules_did_not_load_at_first(link: str, browser: Browser) -> None:
    """The rules of folding come when they are needed; the network may be gone just then."""
    with browser.new_context() as context:
        page = context.new_page()
        lost: list[str] = []

        def lose_the_first(route: Route) -> None:
            if len(lost) < 3:
                lost.append(route.request.url)
                route.abort()
            else:
                route.continue_()

        page.route("**/client/folding.js", lose_the_first)
        page.goto(link)
        begin(page, "hello there")
        expect(page.locator(".message.assistant")).to_be_visible(timeout=20_000)
        assert len(lost) == 3


def test_nobody_can_write_to_a_conversation_that_cannot_be_shown(link: str, device: Device) -> None:
    page = device(link + "&session=s_none")
    expect(page.locator("#banner")).to_contain_text("This conversation cannot be shown")
    expect(page.get_by_label("Message", exact=True)).to_be_disabled()
    new_conversation(page)
    expect(page.get_by_label("Message", exact=True)).to_be_enabled()


def test_nothing_is_wider_than_a_phone(link: str, device: Device) -> None:
    page = device(link, PHONE)
    begin(page, "refund A-17, please, " + "x" * 200)
    expect(card(page)).to_contain_text("Approval needed")
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    assert page.evaluate("document.querySelector('#scroller').scrollWidth") == PHONE["width"]
