import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware, wrap_tool_call
from langchain_core.tools import tool
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from holdfast import App
from holdfast.agents import from_langgraph
from holdfast.agents.langgraph import once


@tool
async def refund(order: str, amount: float) -> str:
    """Refund an order."""
    return f"{amount:.2f} paid back for {order}"


model: Any = os.environ.get("MODEL", "openai:gpt-5")


@asynccontextmanager
async def lifespan(app: App) -> AsyncGenerator[Any]:
    async with AsyncSqliteSaver.from_conn_string(os.environ.get("CHECKPOINTS", "checkpoints.db")) as saver:
        yield create_agent(
            model,
            [refund],
            middleware=[HumanInTheLoopMiddleware({"refund": True}), wrap_tool_call(once)],  # `once` stands last
            checkpointer=saver,
        )


app = App(lifespan=lifespan)
theirs = from_langgraph(lambda turn: turn.deps, asks={"refund": {"expires": "7 days"}}, repeatable=True)
app.add_agent("support", theirs)
