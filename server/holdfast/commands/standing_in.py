"""By one's own right, else in the place of somebody who is away: how every command on an interrupt begins."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from holdfast.commands.backend import Backend
from holdfast.core.errors import Forbidden, NotFound
from holdfast.core.identity import Principal
from holdfast.core.people import Away

T = TypeVar("T")


async def by_right(backend: Backend, principal: Principal, act: Callable[[Sequence[Away]], Awaitable[T]]) -> T:
    """Do what `act` does; if one may not by oneself, for those who are away and have named this deputy.

    Who is away is read only where it matters: most people answer for themselves.

    Raises:
        NotFound, Forbidden: neither may.
    """
    try:
        return await act(())
    except (NotFound, Forbidden):
        absent = await backend.directory.absent_for(principal.subject)
        if not absent:
            raise
        return await act(absent)
