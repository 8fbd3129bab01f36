"""Hooks: what an app does when somebody must be called: `@app.on_interrupt`.

A hook runs in a worker, under the app's lifespan, at least once for each notice, and in order for each interrupt.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from holdfast.core.durations import Duration
from holdfast.core.errors import Unusable
from holdfast.core.interrupts import Decision, Interrupt
from holdfast.core.notices import NoticeShown

HOOK_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")  # it is part of the store's keys

#: Makes a single-use link: (interrupt, subject, roles, name, how long) → its address.
LinkMaker = Callable[[Interrupt, str, tuple[str, ...], str | None, Duration | None], tuple[str, int]]


class Notice:
    """What a hook is told: what has happened, and to what. A second call about the same has the same `id`."""

    def __init__(self, shown: NoticeShown, deps: Any = None, links: LinkMaker | None = None) -> None:
        self._shown = shown
        self._links = links
        #: For whom it made links, each until when: the trail is told of them.
        self.linked: list[tuple[str, int]] = []
        #: What the app's lifespan yielded.
        self.deps = deps

    @property
    def id(self) -> str:
        """Of this notice; the same however often it is told."""
        return self._shown.id

    @property
    def kind(self) -> str:
        """`interrupt.opened`, `interrupt.closed`, another `interrupt.…`; or `turn.notice`, of `turn.notify`."""
        return self._shown.kind

    @property
    def session(self) -> str:
        return self._shown.session

    @property
    def turn(self) -> str | None:
        return self._shown.turn

    @property
    def at(self) -> int:
        """When it was written, in milliseconds."""
        return self._shown.at

    @property
    def about(self) -> str | None:
        """The id of the interrupt."""
        return self._shown.about

    @property
    def interrupt(self) -> Interrupt | None:
        """The interrupt as it is shown now. None: there is none, or its session was deleted."""
        return self._shown.interrupt

    @property
    def status(self) -> str | None:
        """Of the interrupt: open, resolved, cancelled, expired, withdrawn, superseded; or deleted."""
        return self._shown.status

    @property
    def decision(self) -> Decision | None:
        """The decision, when it is closed."""
        return self._shown.decision

    @property
    def text(self) -> str | None:
        """What `turn.notify` says."""
        return self._shown.text

    @property
    def to(self) -> tuple[str, ...]:
        """Whom `turn.notify` is for."""
        return self._shown.to

    def link(
        self, subject: str, *, roles: Sequence[str] = (), name: str | None = None, ttl: Duration | None = None
    ) -> str:
        """The address of a page on which `subject`, and nobody else, answers this interrupt, once.

        Give it to that person alone: whoever opens it is that person. `roles` are what they are allowed to answer by,
        `ttl` is how long it works (a day, unless said), at the longest until the interrupt expires.

        Raises:
            Unusable: there is no open interrupt to answer, or the worker lacks HOLDFAST_SECRET or HOLDFAST_PUBLIC_URL.
        """
        if self._links is None:
            raise Unusable("Links need HOLDFAST_SECRET and HOLDFAST_PUBLIC_URL, also where the worker runs.")
        if self.interrupt is None or self.status != "open":
            raise Unusable("There is nothing open to answer by a link.")
        url, until = self._links(self.interrupt, subject, tuple(roles), name, ttl)
        self.linked.append((subject, until))
        return url


HookFunction = Callable[[Notice], Awaitable[None]]


class Hook(msgspec.Struct, frozen=True):
    """A function that is told, and its name: the same name is the same hook, in every worker and after a deploy."""

    name: str
    function: HookFunction


def hook_of(function: HookFunction, name: str | None) -> Hook:
    """A hook, checked.

    Raises:
        ValueError: its name has a character that it must not have.
        TypeError: it is not an async function.
    """
    chosen = name or getattr(function, "__name__", "")
    if not HOOK_NAME.fullmatch(chosen):
        raise ValueError(f"{chosen!r}: a hook's name is 1 to 100 letters, digits, '-', '_' or '.'")
    called = function if inspect.isfunction(function) or inspect.ismethod(function) else type(function).__call__
    if not inspect.iscoroutinefunction(called):
        raise TypeError(f"hook {chosen!r} must be an async function of a Notice")
    return Hook(chosen, function)
