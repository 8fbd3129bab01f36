"""The app's own tools, as the protocol shows them: called, waited for, and asked about where the caller may answer.

call ──▶ ended: the value, or why there is none
  │ ▲
  │ └────────── the caller's person has answered
  ├─▶ input required     the client shows forms, and the token may answer
  └─▶ open               somebody else is asked: `wait_for` goes on
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from typing import Annotated, Any

import anyio
import msgspec
from mcp import MCPError, types
from mcp.server import ServerRequestContext

from holdfast.commands.published import Called
from holdfast.core.canonical import canonical_json
from holdfast.core.errors import BadInput, Conflict, Draining, Forbidden, HoldfastError, RefReused
from holdfast.core.interrupts import Interrupt
from holdfast.core.manifests import Published
from holdfast.gateways.mcp.app_desk import AppDesk
from holdfast.gateways.mcp.described import described
from holdfast.gateways.mcp.desk import Terms
from holdfast.gateways.mcp.tools import new_ref
from holdfast.gateways.mcp.waiting import Progress, within

REF = "holdfast/ref"  # in `_meta` of a call: under the same it is the same call
WAIT_FOR = "wait_for"
LISTED_MAX = 500  # by name: a list must stay one that a model can read
STATELESS = "2026-07-28"  # from this protocol on, a result may ask for input
SHOWN_MAX = 4_000  # characters of arguments in a form: what does not fit is shown on a device, whole
CANCEL_S = 3.0  # then the call goes on: a connection that ends must not hang for it
APPROVAL = {
    "type": "object",
    "properties": {
        "approved": {"type": "boolean", "title": "Approve"},
        "reason": {"type": "string", "title": "Why", "maxLength": 4_000},
    },
    "required": ["approved"],
}


class WaitFor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Go on waiting for a call that is still open."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=300, description="As the open call gave it.")]


class CallTold(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a call stands, for the agent that made it."""

    id: str
    #: done, open, or why there is no value.
    status: str
    value: Any = None
    reason: str | None = None


def _listed(published: Published) -> types.Tool:
    return types.Tool(name=published.name, description=published.description, input_schema=published.inputSchema)


class AppCalls:
    """Calls on certain terms, for one request."""

    def __init__(
        self, desk: AppDesk, terms: Terms, context: ServerRequestContext[Any, Any], progress: Progress
    ) -> None:
        self._desk, self._terms, self._progress = desk, terms, progress
        self._elicits = desk.may_answer and _shows_forms(context)
        given = (context.meta or {}).get(REF)
        self._ref, self._is_named = str(given or new_ref()), bool(given)

    async def tools(self) -> list[types.Tool]:
        """What there is to call, and how to wait for it."""
        published = (await self._desk.published())[:LISTED_MAX]
        return [*map(_listed, published), described(WAIT_FOR, WaitFor)] if published else []

    async def call(self, params: types.CallToolRequestParams) -> types.CallToolResult | types.InputRequiredResult:
        """Call a tool, or wait on for one."""
        if params.name == WAIT_FOR:
            return await self._wait_for(msgspec.convert(params.arguments or {}, WaitFor))
        return await self._call(params)

    async def _call(self, params: types.CallToolRequestParams) -> types.CallToolResult | types.InputRequiredResult:
        """Make a call, or go on with it where its person has answered.

        One that is given up is cancelled, unless the client knows its ref: then it can come back for it.
        """
        if params.request_state is not None:
            self._ref, self._is_named = params.request_state, True
        try:
            called = await self._begun(params)
            passed = await self._answered(called, params.input_responses or {})
            return await self._settled(called, passed)
        except anyio.get_cancelled_exc_class():
            if not self._is_named:
                with anyio.move_on_after(CANCEL_S, shield=True), suppress(HoldfastError):
                    await self._desk.give_up(self._ref)
            raise

    async def _wait_for(self, sent: WaitFor) -> types.CallToolResult:
        """Wait on. Given up, the call stays."""
        called = await self._waited(await self._desk.read(sent.id), ())
        return await self._told(called)

    async def _begun(self, params: types.CallToolRequestParams) -> Called:
        try:
            return await self._desk.call(params.name, params.arguments or {}, self._ref)
        except RefReused:
            if params.request_state is None:
                raise
            raise MCPError(types.INVALID_PARAMS, "The requestState is of a call with other arguments.") from None

    async def _settled(
        self, called: Called, passed: Collection[str]
    ) -> types.CallToolResult | types.InputRequiredResult:
        called = await self._waited(called, passed)
        asked = {} if called.ended else {one.id: _form(one) for one in self._for_caller(called, passed)}
        if asked:
            return types.InputRequiredResult(input_requests=dict(asked), request_state=self._ref)
        return await self._told(called)

    async def _waited(self, called: Called, passed: Collection[str]) -> Called:
        settling = self._desk.settled(called, lambda now: bool(self._for_caller(now, passed)) or _is_stuck(now))
        try:
            settled = await within(settling, self._terms.wait_s, self._progress)
        except Draining:
            settled = None
        return settled or await self._desk.read(called.turn.id)

    def _for_caller(self, called: Called, passed: Collection[str]) -> list[Interrupt]:
        """What the caller's own person may be asked, and was not yet."""
        if not self._elicits:
            return []
        mine = [one for one in called.open if one.id in called.answerable and one.id not in passed]
        return [one for one in mine if one.kind == "approval" and len(_arguments(one)) <= SHOWN_MAX]

    async def _answered(self, called: Called, responses: types.InputResponses) -> list[str]:
        """Answer what was asked; those that are left to others."""
        passed: list[str] = []
        for interrupt, response in responses.items():
            payload = _payload(response)
            try:
                if payload is None or not self._desk.may_answer:
                    passed.append(interrupt)
                else:
                    await self._desk.answer(called, interrupt, payload)
            except (BadInput, Conflict, Forbidden):  # it wants more than a form like this can say
                passed.append(interrupt)
        return passed

    async def _told(self, called: Called) -> types.CallToolResult:
        turn = called.turn
        if not called.ended:
            return _result(CallTold(turn.id, "blocked" if turn.blocked else "open"), _still_open(called))
        if turn.end != "completed":
            reason = str((turn.error or {}).get("message") or f"It was {turn.end}.")
            return _result(CallTold(turn.id, str(turn.end), reason=reason), reason, failed=True)
        if called.published.takes == "message":
            words = await self._desk.words(called)
            return _result(CallTold(turn.id, "done", turn.result), words)
        ended = turn.result
        if ended["status"] == "done":
            return _result(CallTold(turn.id, "done", ended["value"]), _text(ended["value"]))
        reason = f"Not done, {ended['status']}: {ended['reason'] or 'no reason was given'}"
        return _result(CallTold(turn.id, ended["status"], reason=ended["reason"]), reason, failed=True)


def _shows_forms(context: ServerRequestContext[Any, Any]) -> bool:
    asks = types.ClientCapabilities(elicitation=types.ElicitationCapability())
    return context.protocol_version >= STATELESS and context.session.check_client_capability(asks)


def _form(asked: Interrupt) -> types.ElicitRequest:
    said = f"{asked.message}\n" if asked.message else ""
    message = f"{said}May it be done? {asked.toolName}({_arguments(asked)})"
    return types.ElicitRequest(params=types.ElicitRequestFormParams(message=message, requested_schema=APPROVAL))


def _payload(response: types.InputResponse) -> dict[str, Any] | None:
    """The answer to an approval. None: the form was closed, which is none."""
    if not isinstance(response, types.ElicitResult) or response.action == "cancel":
        return None
    content = response.content or {}
    reason = content.get("reason")
    why = {"reason": reason} if isinstance(reason, str) and reason else {}
    return {"approved": response.action == "accept" and content.get("approved") is True, **why}


def _is_stuck(called: Called) -> bool:
    return called.turn.blocked is not None


def _still_open(called: Called) -> str:
    if called.turn.blocked:
        return f"It cannot go on until an operator acts: {called.turn.blocked['message']}"
    asked = ", ".join(one.toolName or one.kind for one in called.open)
    what = f"people are asked about {asked}, and nobody has answered yet" if asked else "it still runs"
    again = f"Call wait_for with id={called.turn.id!r} to go on waiting. To call the tool again would be another call."
    return f"Not done yet: {what}. {again}"


def _arguments(asked: Interrupt) -> str:
    return canonical_json(asked.input).decode()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _result(told: CallTold, text: str, *, failed: bool = False) -> types.CallToolResult:
    return types.CallToolResult(
        content=[types.TextContent(text=text)], structured_content=msgspec.to_builtins(told), is_error=failed
    )
