"""Hooks: functions of an app that are told of what happens to interrupts. They run in its workers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from holdfast.core.notices import NoticeShown


class HookTarget:
    """One hook, as a target of its own: what fails in it is tried again there, and delays neither turns nor others."""

    def __init__(self, name: str, tell: Callable[[NoticeShown], Awaitable[None]]) -> None:
        self.id = f"hook-{name}"
        self.shown = f"hook {name}"
        self._tell = tell

    async def deliver(self, notice: NoticeShown) -> None:
        """Call it."""
        await self._tell(notice)
