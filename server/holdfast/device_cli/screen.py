"""How a session, an interrupt and an answer look at a terminal: for people, and as JSON for programs."""

from __future__ import annotations

import time
from typing import Any, cast

import click
import msgspec

from holdfast.client import Answered, Renewed, Seen, Session
from holdfast.core import branches, events
from holdfast.core.folding import Placed, State
from holdfast.core.interrupts import Decision, Interrupt
from holdfast.core.messages import Message
from holdfast.core.visible import is_unseen, visible

INPUT_WIDTH = 400  # characters of arguments on a card; `--json` shows all of them

_WORDS = {
    "resolved": "answered",
    "cancelled": "cancelled",
    "expired": "expired",
    "withdrawn": "withdrawn",
    "superseded": "superseded",
}


def line(text: str) -> str:
    """The same in one line."""
    return visible(text).replace("\n", "‹U+000A›").replace("\t", "‹U+0009›")


def say(value: Any) -> None:
    """A value as one line of JSON; what is not seen is escaped, and means the same."""
    click.echo("".join(_escaped(one) if is_unseen(one) else one for one in msgspec.json.encode(value).decode()))


def card(interrupt: Interrupt) -> None:
    """An open interrupt, with what to type."""
    click.echo(f"{click.style(line(interrupt.id), bold=True)}  {interrupt.kind}  {line(_what(interrupt))}")
    if interrupt.message:
        click.echo(f"    {_indented(interrupt.message)}")
    expires = f"; expires {_clock(interrupt.expiresAt)}" if interrupt.expiresAt else ""
    click.echo(f"    session {line(interrupt.session)}, asked {_clock(interrupt.openedAt)}{expires}")


def outcome(answered: Answered) -> None:
    """What became of an answer."""
    if answered.outcome == "recorded":
        click.echo("Recorded: it counts, and does not decide yet.")
        return
    assert answered.decision is not None
    stands = f"{_decided(answered.decision)}, {_clock(answered.decision.at)}"
    if answered.outcome == "won":
        click.echo(f"Done: {stands}.")
    else:
        click.echo(f"Too late: it was {stands}.")


def idle(state: State) -> bool | None:
    """Whether no turn is left to be waited for; None: not yet."""
    return None if any(turn.status != "finished" for turn in state.turns.values()) else True


class Lines:
    """Each event as one line of JSON; a state given anew as `{"type": "renewed", "messages": […]}`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def show(self, news: Seen | Renewed) -> None:
        if isinstance(news, Seen):
            line: dict[str, Any] = {"seq": news.seq, "at": news.at, "event": news.raw}
            say(line if news.from_ is None else line | {"from": news.from_})
            return
        messages = [placed.message for placed in branches.visible(self._session.state)]
        say({"type": "renewed", "seq": news.seq, "gap": news.gap, "messages": messages})


class Screen:
    """A session for people: text as it streams, cards, and who decided."""

    def __init__(self, session: Session) -> None:
        self._session = session
        #: The message whose text is being written, in mid-line.
        self._writing: str | None = None
        #: How much of each message's text was shown already.
        self._shown: dict[str, int] = {}

    def show(self, news: Seen | Renewed) -> None:
        if isinstance(news, Renewed):
            self._renewed(news)
            return
        match news.event:
            case events.InterruptOpened(interrupt=interrupt):
                self._line()
                card(interrupt)
            case events.InterruptClosed(interrupt=own, decision=decision):
                self._line(f"  {line(own)} was {_decided(decision)}")
            case events.ChunkWritten() | events.MessageWritten() | events.MessageRewound():
                self._said(news.event)
            case _:
                self._became(news.event)

    def _said(self, event: events.ChunkWritten | events.MessageWritten | events.MessageRewound) -> None:
        match event:
            case events.ChunkWritten(message=own, chunk={"type": "text-delta", "delta": str(delta)}):
                self._text(own, delta)
            case events.MessageWritten(message=message):
                self._message(message)
            case events.MessageRewound(message=message):
                self._line("  (the worker was lost; what it wrote last is void)")
                self._shown[message.id] = len(message.text)
            case _:
                pass

    def _became(self, event: events.Event | events.UnknownEvent) -> None:
        match event:
            case events.TurnQueued(behind=str()):
                self._line("  turn queued")
            case events.TurnWaiting():
                self._line("  waiting")
            case events.TurnBlocked(code=code, message=why):
                self._line(f"  blocked: {line(why)} ({line(code)})")
            case events.TurnFinished(status=status, error=error):
                self._line(f"  turn {status}" + (f": {line(str(error.get('message')))}" if error else ""))
            case _:
                pass

    def _renewed(self, news: Renewed) -> None:
        state = self._session.state
        if news.gap:
            self._line("  (history was trimmed; this is the session as it is now)")
        if self._session.has_older:
            self._line("  (there is older)")
        for placed in branches.visible(state):
            self._message(placed.message, self._unfinished(placed))
        for shown in state.interrupts.values():
            if "decision" not in shown:
                self._line()
                card(msgspec.convert(shown, Interrupt))

    def _unfinished(self, placed: Placed) -> bool:
        turn = self._session.state.turns.get(placed.place.turn or "")
        return placed.message.role == "assistant" and turn is not None and turn.status != "finished"

    def _message(self, message: Message, unfinished: bool = False) -> None:
        """A whole message, as far as it was not shown as it streamed."""
        rest = message.text[self._shown.get(message.id, 0) :]
        if message.role == "user":
            by = (message.metadata or {}).get("by", {})
            files = "".join(f" [{part.get('filename') or part['url']}]" for part in message.files)
            self._line(f"{line(by.get('name') or by.get('id') or 'user')}: {_indented(message.text)}{line(files)}")
        elif rest:
            self._text(message.id, rest)
        if not unfinished and self._writing == message.id:
            self._line()
        self._shown[message.id] = len(message.text)

    def _text(self, message: str, text: str) -> None:
        if self._writing != message:
            self._line()
            self._writing = message
            click.echo(click.style("agent: ", bold=True), nl=False)
        click.echo(visible(text), nl=False)
        self._shown[message] = self._shown.get(message, 0) + len(text)

    def _line(self, text: str | None = None) -> None:
        """A line of its own, after what is being written."""
        if self._writing is not None:
            click.echo()
            self._writing = None
        if text is not None:
            click.echo(text)


def _escaped(one: str) -> str:
    units = one.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


def _indented(text: str) -> str:
    """Text whose further lines cannot be taken for the screen's own."""
    return visible(text).replace("\n", "\n    ")


def _what(interrupt: Interrupt) -> str:
    name = interrupt.toolName or interrupt.reason
    if interrupt.input is None:
        return name
    arguments = msgspec.json.encode(interrupt.input).decode()
    if len(arguments) > INPUT_WIDTH:
        arguments = arguments[:INPUT_WIDTH] + "…"
    return f"{name} {arguments}"


def _decided(decision: Decision) -> str:
    words = _WORDS[decision.status]
    given = decision.payload
    payload: dict[str, Any] = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
    if decision.status == "resolved" and "approved" in payload:
        words = "approved" if payload["approved"] is True else "denied"
    reason = f": {line(str(payload['reason']))}" if payload.get("reason") else ""
    return f"{words} by {line(decision.by.name or decision.by.id)}{reason}"


def _clock(at_ms: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at_ms / 1_000))
