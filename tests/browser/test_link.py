"""The page behind a link, on a phone and without a script: what a person sees who was sent one."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.browser.conftest import DESKTOP, PHONE, Device
from tests.browser.test_console import begin, card, findings


def asked(link: str, device: Device) -> tuple[Page, str]:
    """A refund that waits, and its interrupt."""
    page = device(link)
    begin(page, "please give me €120.50 back for order number e 46")
    expect(card(page)).to_contain_text("Approval needed")
    own_id = card(page).get_attribute("data-interrupt")
    assert own_id is not None
    return page, own_id


def made(link: str, own_id: str, *more: str) -> str:
    """The address that `holdfast link` prints."""
    base, _, token = link.partition("/#token=")
    environ = os.environ | {"HOLDFAST_URL": base, "HOLDFAST_TOKEN": token}
    command = [sys.executable, "-m", "holdfast", "link", own_id, "--sub", "alice", "--name", "Alice", *more]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True, timeout=30)
    address = done.stdout.strip()
    assert address.startswith(f"{base}/link/")
    return address


def test_alice_answers_on_her_phone_and_every_card_closes(link: str, device: Device) -> None:
    desktop, own_id = asked(link, device)
    address = made(link, own_id)
    phone = device(address, PHONE, java_script_enabled=False)
    expect(phone.get_by_role("heading", level=1)).to_be_visible()
    expect(phone.locator("dl")).to_contain_text("120.5")
    expect(card(desktop).get_by_role("button", name="Approve")).to_be_visible()  # looking has decided nothing
    phone.get_by_label("Reason").fill("It arrived broken")
    phone.get_by_role("button", name="Approve").click()
    expect(phone.get_by_role("heading", level=1)).to_contain_text("Approved by you")
    expect(card(desktop)).to_contain_text("Approved by Alice")
    phone.goto(address)
    expect(phone.get_by_text("You have answered this by this link.")).to_be_visible()
    expect(phone.get_by_role("button")).to_have_count(0)


def test_who_comes_late_sees_who_decided(link: str, device: Device, browser: Browser) -> None:
    desktop, own_id = asked(link, device)
    phone = browser.new_page(viewport=PHONE)  # a lost answer is a 409, which a device's console would report
    phone.goto(made(link, own_id))
    card(desktop).get_by_role("button", name="Deny").click()
    expect(card(desktop)).to_contain_text("Denied")
    phone.get_by_role("button", name="Approve").click()
    expect(phone.get_by_role("heading", level=1)).to_contain_text("Denied by you")
    expect(phone.get_by_text("too late and changed nothing")).to_be_visible()
    phone.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing_serious(link: str, device: Device, size: dict[str, int], scheme: str) -> None:
    _, own_id = asked(link, device)
    page = device(made(link, own_id), size, color_scheme=scheme, bypass_csp=True)
    expect(page.get_by_role("button", name="Approve")).to_be_visible()
    assert findings(page) == []
    page.get_by_role("button", name="Deny").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Denied by you")
    assert findings(page) == []


def test_nothing_is_wider_than_a_small_phone(link: str, device: Device) -> None:
    _, own_id = asked(link, device)
    page = device(made(link, own_id), {"width": 320, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_a_link_that_is_none_says_so(link: str, browser: Browser) -> None:
    page = browser.new_page()
    reply = page.goto(re.sub(r"/#.*", "/link/nothing", link))
    assert reply is not None
    assert reply.status == 404
    expect(page.get_by_role("heading", level=1)).to_have_text("This link is not valid.")
    page.close()
