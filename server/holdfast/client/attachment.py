"""What a device has of one session: its state, folded live, nothing missing and nothing twice (promise 9).

Pure: frames go in; what is new, and what to ask for, comes out.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from holdfast.core import events
from holdfast.core.events import Event, UnknownEvent
from holdfast.core.folding import PastEvent, State, absorb, fold, from_snapshot
from holdfast.protocol.frames import Attach, Attached, EventFrame, Page, Position


class Seen(msgspec.Struct, frozen=True):
    """An event, with its position and its instant (ms)."""

    seq: int
    at: int
    event: Event | UnknownEvent
    #: Its JSON, with what this version does not know of it.
    raw: msgspec.Raw
    #: It stands for the positions from there to `seq`. None: for its own.
    from_: int | None = None


class Renewed(msgspec.Struct, frozen=True):
    """The state was given anew, up to `seq`: what happened before is in it, and is not told one by one."""

    seq: int
    #: The history asked for is no longer there, or means something else by now (trimmed, or another epoch).
    gap: bool = False


class Attachment:
    """A session's state and the position up to which it is known."""

    def __init__(self, session: str) -> None:
        self.session = session
        self.state = State()
        #: Continue with `history(before)` while there is `more`.
        self.before = 1
        self.more = False
        #: The ref of the attach that is under way; None: none is.
        self.attaching: str | None = None
        self._known = False
        self._gap = False

    @property
    def position(self) -> Position | None:
        """From where to go on; None: nothing is known yet."""
        return Position(self.state.epoch, self.state.seq) if self._known else None

    def attach(self, ref: str, limit: int | None) -> Attach:
        """The frame that asks for everything after what is known."""
        self.attaching, self._gap = ref, False
        return Attach(ref, self.session, self.position, limit)

    def start_from(self, position: Position) -> None:
        """Forget what is known; what comes is what happened since `position`."""
        self.state, self._known = State(epoch=position.epoch, seq=position.seq), True

    def gap(self) -> None:
        """A snapshot will come instead of what was asked for."""
        self._gap = True

    def attached(self, frame: Attached) -> Renewed | None:
        """The answer to the attach: a snapshot replaces what is known; a replay goes on from it."""
        if self.attaching not in (None, frame.ref):
            return None  # of an attach that another one has replaced
        self.attaching, self._known = None, True
        if frame.mode == "replay":
            self.state.epoch = frame.epoch
            return None
        self.state = from_snapshot(frame.snapshot, frame.epoch, frame.seq)
        self.before = frame.snapshot["before"]
        self.more = frame.snapshot["more"]
        gap, self._gap = self._gap, False
        return Renewed(frame.seq, gap)

    def event(self, frame: EventFrame, discontinuous: Callable[[], None]) -> Seen | None:
        """Fold an event in. None: it was known, or it does not follow, and then `discontinuous` is called."""
        last = self.state.seq
        if frame.seq <= last:
            return None
        first = frame.seq if frame.from_ is None else frame.from_
        if first > last + 1:
            if self.attaching is None:
                discontinuous()
            return None
        event = events.decode(bytes(frame.event))
        fold(self.state, frame.seq, frame.at, event)
        return Seen(frame.seq, frame.at, event, frame.event, frame.from_)

    def page(self, page: Page) -> None:
        """Complete the state with a page of its past."""
        known: list[PastEvent] = []
        for each in page.events:
            event = events.decode(bytes(each.event))
            if not isinstance(event, UnknownEvent):
                known.append(PastEvent(each.seq, each.at, event))
        absorb(self.state, known)
        self.before, self.more = page.from_, page.more
