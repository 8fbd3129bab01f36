"""An agent of somebody else's, to try it with: `MODEL=openai:gpt-5 uvicorn theirs:app --port 9000`."""

import os
from typing import Any

from pydantic_ai import Agent, DeferredToolRequests
from pydantic_ai.ui.ag_ui import AGUIAdapter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

agent: Agent[None, Any] = Agent(os.environ.get("MODEL", "test"), output_type=[str, DeferredToolRequests])


@agent.tool_plain(requires_approval=True)
def refund(order_id: str, amount: float) -> str:
    """Refund an order."""
    return f"{amount} paid back for {order_id}"


async def run(request: Request) -> Response:
    return await AGUIAdapter.dispatch_request(request, agent=agent)


app = Starlette(routes=[Route("/", run, methods=["POST"])])
