"""One device at one session: how far it is, and the frames that bring it on."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from holdfast.core.errors import HoldfastError
from holdfast.core.identity import Principal, check
from holdfast.hub.subscriber import Subscriber
from holdfast.hub.tail import Step
from holdfast.protocol import frames
from holdfast.protocol.frames import Attach, Attached, Device, Gap, Position
from holdfast.protocol.text_frame import TextFrame
from holdfast.store.log import Entry


class Attachment:
    """A device at a session. What it is sent is dense: `position` only grows, by each event or its `from`."""

    def __init__(
        self,
        subscriber: Subscriber,
        principal: Principal,
        frame: Attach,
        device: Device | None,
        on_start: Callable[[Attachment], None],
        on_end: Callable[[Attachment], None],
    ) -> None:
        self.subscriber = subscriber
        self.principal = principal
        self.frame = frame
        self.session = frame.session
        self.epoch = ""
        self.position = 0
        #: Whether the device was told from where it goes on.
        self.started = False
        self.ended = False
        #: How it is shown to others; None: not at all.
        self.device = device
        self._on_start = on_start
        self._on_end = on_end

    def check(self, members: dict[str, str]) -> None:
        """Let pass, or raise NotFound or Forbidden."""
        check(self.principal, "read", self.session, members)

    def start(self, attached: Attached, gap: Gap | None = None) -> None:
        """Say from where it goes on."""
        self._on_start(self)
        if gap is not None:
            self.subscriber.send(gap)
        self.subscriber.send(attached)
        self.epoch, self.position, self.started = attached.epoch, attached.seq, True

    def gap(self, epoch: str, floor: int) -> Gap:
        """Where it is, or asked to go on, cannot be gone on from."""
        return Gap(self.session, Position(self.epoch, self.position), Position(epoch, floor))

    def push(self, some: Iterable[Step]) -> bool:
        """Send what it does not have yet. False if something is missing before it: that is not sent."""
        for start, entry in some:
            if self.ended or entry.seq <= self.position:
                continue
            if start > self.position + 1:
                return False
            self.subscriber.push(event_frame(self.session, entry, self.position + 1))
            self.position = entry.seq
        return True

    def fail(self, error: HoldfastError) -> None:
        """End it, because of this."""
        if not self.ended:
            self.ended = True
            details = {**error.details, "session": self.session}
            self.subscriber.send(frames.Error(error.code, error.message, error.retry, details=details))
            self._on_end(self)


def event_frame(session: str, entry: Entry, start: int) -> TextFrame:
    """The frame of an event that stands for the positions from `start` on."""
    return TextFrame(frames.event_frame(session, entry.seq, entry.at, entry.data, start))
