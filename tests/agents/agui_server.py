"""An AG-UI agent of somebody else's: pydantic-ai behind its own AG-UI adapter, in a process of its own.

    python agui_server.py PORT EFFECTS

It does what it is told, by the first word of what was said: "refund A-17 200" wants an approval, "where" a tool of the
application's, "both" both; "count" says how much was said; "slow" waits, in the middle of a word, for a POST to /go.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import uvicorn
from pydantic_ai import Agent, DeferredToolRequests
from pydantic_ai.messages import ModelMessage, ToolReturnPart, UserPromptPart
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, FunctionModel
from pydantic_ai.ui.ag_ui import AGUIAdapter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

EFFECTS = Path(sys.argv[2]) if __name__ == "__main__" else Path("effects")


go = asyncio.Event()


def _happened(what: str) -> None:
    with EFFECTS.open("a") as file:
        file.write(f"{what}\n")


async def model(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[Any]:
    _happened("model")
    returned = [part for part in messages[-1].parts if isinstance(part, ToolReturnPart)]
    if returned:
        for part in returned:
            yield f"{part.tool_name}: {part.content}. "
        return
    said = [part.content for one in messages for part in one.parts if isinstance(part, UserPromptPart)]
    verb, *rest = str(said[-1]).split()
    if verb == "count":
        yield f"{len(said)} things were said."
        return
    yield "Let me s"
    if verb == "slow":
        await go.wait()
    yield "ee. "
    if verb in ("refund", "both"):
        order, amount = rest
        args = f'{{"order": "{order}", "amount": {amount}}}'
        yield {0: DeltaToolCall("refund", args[:9], tool_call_id="call-r"), 1: DeltaToolCall()}
        yield {0: DeltaToolCall(None, args[9:])}
    if verb in ("where", "both"):
        yield {1: DeltaToolCall("location", '{"accuracy": "street"}', tool_call_id="call-l")}


agent: Agent[None, Any] = Agent(FunctionModel(stream_function=model), output_type=[str, DeferredToolRequests])


@agent.tool_plain(requires_approval=True)
def refund(order: str, amount: float) -> str:
    """Refund an order."""
    _happened(f"refund {order} {amount}")
    return f"{amount} for {order}"


async def run(request: Request) -> Response:
    return await AGUIAdapter.dispatch_request(request, agent=agent)


async def let_go(_: Request) -> Response:
    go.set()
    return Response()


ROUTES = [Route("/", run, methods=["POST"]), Route("/go", let_go, methods=["POST"])]

if __name__ == "__main__":
    uvicorn.run(Starlette(routes=ROUTES), port=int(sys.argv[1]), log_level="warning")
