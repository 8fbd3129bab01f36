"""The page behind a link: it shows exactly what is asked, and takes the answer of the one it was made for.

Looking never decides: scanners of mail open every link. Only what the page's own form posts does, and that by the same
command as from any other device, under a ref that is always the same: it answers once, and losing is told.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import msgspec
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from holdfast.commands import answering, linking
from holdfast.commands.backend import Backend
from holdfast.commands.linking import Asked
from holdfast.core.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    Gone,
    HoldfastError,
    NotFound,
    RefReused,
    TokenExpired,
    Unauthenticated,
    Unavailable,
)
from holdfast.core.interrupts import Decision, Interrupt, Vote
from holdfast.core.visible import visible
from holdfast.core.voting import effective_hash, vote_of
from holdfast.gateways.links import answers, words
from holdfast.gateways.links.fields import Field, fields
from holdfast.gateways.links.token import LinkClaims, Links, ref_of
from holdfast.protocol import frames

VIA = "link"
BODY_MAX = 16 * 1024  # bytes of what the form sends
FIELDS_MAX = 200
HEADERS = {
    # No script at all, nothing from elsewhere, and the form goes nowhere but back.
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",  # the address is the key
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
}
ASK_AGAIN = "Ask whoever sent it for a new one."
_STRING = re.compile(r'("(?:[^"\\]|\\.)*")')


class Page(msgspec.Struct, kw_only=True):
    """What the page shows."""

    status: int = 200
    title: str = "An answer is needed"
    #: What has become of it, instead of a question.
    told: str | None = None
    yes: bool = False
    reason: str | None = None
    more: str | None = None
    #: What is asked.
    shown: Interrupt | None = None
    input: Any = None
    proposed: Any = None
    asker: str = ""
    until: str | None = None
    #: Whether it can be answered here and now.
    answerable: bool = False
    who: str = ""
    ends: str = ""
    problem: str | None = None
    needs_reason: bool = False
    options: list[tuple[str, str]] = []
    multiple: bool = False
    fields: list[Field] = []
    #: What was filled in before, where it is asked for again.
    sent: answers.Sent = {}


class LinkPage:
    """Serves `/link/{token}`."""

    def __init__(self, backend: Backend, links: Links) -> None:
        self._backend, self._links = backend, links

    async def get(self, request: Request) -> Response:
        """Show it. Changes nothing."""
        token: str = request.path_params["token"]
        return _rendered(await _guarded(lambda: self._look(token)))

    async def post(self, request: Request) -> Response:
        """Take the answer."""
        token: str = request.path_params["token"]
        return _rendered(await _guarded(lambda: self._answer(token, request)))

    async def _look(self, token: str, problem: str | None = None, sent: answers.Sent | None = None) -> Page:
        claims = self._links.read(token)
        asked = await linking.asked(self._backend, claims.principal, claims.iid)
        if asked.decision is not None:
            mine = asked.decision.ref == ref_of(token)
            more = "You have answered this by this link." if mine else "There is nothing left to do here."
            return _closed(claims, asked, asked.decision, more)
        if not asked.entitled:
            return _told("You may not answer this any more.", ASK_AGAIN, 403)
        if (vote := vote_of(asked.shown, claims.sub)) is not None:
            return _voted(claims, asked, vote)
        if effective_hash(asked.shown) != claims.hash:
            return _told("What is asked has changed since this link was made.", ASK_AGAIN, 409)
        page = _asked(claims, asked)
        page.problem, page.status, page.sent = problem, 422 if problem else 200, sent or {}
        return page

    async def _answer(self, token: str, request: Request) -> Page:
        claims, sent = self._links.read(token), await _sent(request)
        asked = await linking.asked(self._backend, claims.principal, claims.iid)
        if effective_hash(asked.shown) != claims.hash and asked.decision is None:
            return await self._look(token)
        try:
            payload = answers.payload_of(asked.shown, sent)
            frame = frames.Answer(ref_of(token), asked.shown.session, claims.iid, "resolved", payload)
            answered = await answering.answer(self._backend, claims.principal, frame, VIA)
        except RefReused:
            page = await self._look(token)
            page.status, page.more = 409, "This link has answered already, and that answer stands."
            return page
        except Conflict:
            return await self._look(token)
        except BadRequest as error:
            return await self._look(token, _plain(error), sent)
        asked = await linking.asked(self._backend, claims.principal, claims.iid)
        return _outcome(claims, asked, answered)


def _outcome(claims: LinkClaims, asked: Asked, answered: frames.Answered) -> Page:
    if answered.outcome == "recorded" and answered.vote is not None and asked.decision is None:
        return _voted(claims, asked, answered.vote)
    decision = answered.decision or asked.decision
    assert decision is not None, "it was won, lost, or decided by this vote"
    if answered.outcome == "lost":
        page = _closed(claims, asked, decision, "Your answer came too late and changed nothing.")
        page.status = 409
        return page
    return _closed(claims, asked, decision, "Thank you. You can close this page.")


def _told(told: str, more: str, status: int) -> Page:
    return Page(title=told.rstrip("."), told=told, more=more, status=status)


def _closed(claims: LinkClaims, asked: Asked, decision: Decision, more: str) -> Page:
    told, yes = words.decided(asked.shown, decision, claims.sub)
    reason = decision.body.get("reason")
    page = Page(title="Answered", told=told, yes=yes, more=more, reason=reason if isinstance(reason, str) else None)
    return _with_asked(page, asked) if asked.entitled else page


def _voted(claims: LinkClaims, asked: Asked, vote: Vote) -> Page:
    told = f"Your answer is recorded: {'yes' if vote.approved else 'no'}"
    page = Page(title="Recorded", told=told, yes=vote.approved, more="It takes more than one. Thank you.")
    page.who = claims.name or claims.sub
    return _with_asked(page, asked)


def _asked(claims: LinkClaims, asked: Asked) -> Page:
    shown = asked.shown
    page = _with_asked(Page(answerable=True), asked)
    page.title = f"{words.ASKS[shown.kind]}: {words.heading(shown)}"
    page.who = claims.name or claims.sub
    page.until = words.until(shown, asked.now_ms)
    page.ends = words.at(claims.exp * 1_000)
    page.needs_reason = shown.approvers is not None and shown.approvers.require_reason
    page.options, page.multiple = words.options(shown)
    page.fields = fields(shown) or []
    return page


def _with_asked(page: Page, asked: Asked) -> Page:
    shown = asked.shown
    page.shown, page.asker = shown, asked.asker
    page.input = shown.edited.input if shown.edited else words.input_of(shown)
    page.proposed = shown.input if shown.edited else None
    return page


async def _guarded(look: Callable[[], Awaitable[Page]]) -> Page:
    """Whatever stands in the way, in plain words."""
    try:
        return await look()
    except TokenExpired:
        return _told("This link has expired.", ASK_AGAIN, 410)
    except Unauthenticated:
        return _told("This link is not valid.", "Perhaps a part of its address is missing. " + ASK_AGAIN, 404)
    except (Gone, NotFound):
        return _told("This is not there any more.", "There is nothing left to do here.", 410)
    except Forbidden:
        return _told("You may not answer this any more.", ASK_AGAIN, 403)
    except Unavailable:
        return _told("That did not get through.", "Please try again in a moment: nothing is lost.", 503)
    except HoldfastError as error:
        return _told("That was refused.", _plain(error), error.status)


def _plain(error: HoldfastError) -> str:
    """What is wrong, without where it stands in a body that nobody here has seen."""
    return re.sub(r"^payload(\.\w+)*: ", "", error.message)


async def _sent(request: Request) -> answers.Sent:
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > BODY_MAX:
            raise BadRequest("That is too long.")
    try:
        return parse_qs(data.decode(), keep_blank_values=True, max_num_fields=FIELDS_MAX)
    except ValueError:
        raise BadRequest("The answer could not be read.") from None


def _finalized(value: Any) -> Any:
    """What others wrote is shown as it is: what is not seen, or moves other characters about, by its number."""
    return value if isinstance(value, Markup) or not isinstance(value, str) else visible(value)


def _exact(value: str) -> Markup:
    """For a field's value, which comes back: escaped, and otherwise untouched."""
    return escape(value)


_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    finalize=_finalized,
)
_templates.globals |= {"words": words, "pieces": _STRING.split, "exact": _exact}  # type: ignore[operator]


def _rendered(page: Page) -> Response:
    return HTMLResponse(_templates.get_template("page.html").render(page=page), page.status, HEADERS)
