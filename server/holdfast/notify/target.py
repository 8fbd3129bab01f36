"""Targets: where notices go."""

from __future__ import annotations

from typing import Protocol

from holdfast.core.notices import NoticeShown


class NotDelivered(Exception):
    """A target did not take a notice. It is tried again, at the earliest `after_ms` later; or given up, if `final`."""

    def __init__(self, why: str, *, final: bool = False, after_ms: int = 0) -> None:
        super().__init__(why)
        self.final, self.after_ms = final, after_ms


class Target(Protocol):
    """Takes notices: each at least once, those of one interrupt in their order."""

    @property
    def id(self) -> str:
        """The same in every process that serves it. Letters, digits, '-', '_' and '.'."""
        ...

    @property
    def shown(self) -> str:
        """How operators see it. Holds no secret."""
        ...

    async def deliver(self, notice: NoticeShown) -> None:
        """Return when it is there. Whatever is raised means that it is not; cancelled when it takes too long."""
        ...
