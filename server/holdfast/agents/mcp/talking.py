"""A call in the middle of which its server asks a person, as the protocol before 2026-07-28 has it.

The server holds the call, and so the connection is held as well. Which of several calls asks is not said: so such
calls have a connection to themselves while they are under way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from mcp import Client, types

Answered = types.ElicitResult | types.ErrorData
Question = types.ElicitRequestFormParams | types.ElicitRequestURLParams

NOBODY = types.ErrorData(code=types.INVALID_REQUEST, message="Nobody can be asked now.")


class Talk:
    """One call, from its beginning over what it asks to its end."""

    def __init__(self, call: Coroutine[Any, Any, types.CallToolResult]) -> None:
        self._call = asyncio.create_task(call)
        self._questions: asyncio.Queue[tuple[Question, asyncio.Future[Answered]]] = asyncio.Queue()
        self._open: asyncio.Future[Answered] | None = None
        self.asked = 0

    async def asks(self, question: Question) -> Answered:
        """What the connection calls when the server asks. Returns when somebody has answered."""
        answer: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
        self._questions.put_nowait((question, answer))
        return await answer

    def answer(self, answered: Answered) -> None:
        """To the question that `goes_on` gave last. Of no effect, if the server waits no longer."""
        if self._open is not None and not self._open.done():
            self._open.set_result(answered)
        self._open = None

    async def goes_on(self, timeout_s: float) -> Question | types.CallToolResult:
        """The next that comes of it. Cancelling it, or its time running out (TimeoutError), ends the call."""
        question = asyncio.create_task(self._questions.get())
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.wait({self._call, question}, return_when=asyncio.FIRST_COMPLETED)
        except BaseException:
            self.end()
            raise
        finally:
            question.cancel()
        if self._call.done():
            return self._call.result()
        asked, self._open = question.result()
        self.asked += 1
        return asked

    def end(self) -> None:
        self._call.cancel()
        self.answer(NOBODY)


class Line:
    """One connection, and the call on it that may ask."""

    def __init__(self) -> None:
        self.talk: Talk | None = None
        #: The call waits for a person: nobody else uses the connection, and it is not idle.
        self.held = False
        self._client: Client | None = None

    @property
    def client(self) -> Client:
        assert self._client is not None, "a line is used when it is open"
        return self._client

    @client.setter
    def client(self, client: Client) -> None:
        self._client = client

    async def asks(self, context: Any, params: Question) -> Answered:  # noqa: ARG002 - the protocol gives it
        return NOBODY if self.talk is None else await self.talk.asks(params)
