"""Agents of the acceptance tests. What their tools do, they write down where the tests can count it."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from holdfast import App, Approvers, Call, Turn, client_tool, tool

app = App()
#: Workers of one scenario serve agents of their own, beside those of others.
SUFFIX = os.environ.get("HOLDFAST_TEST_SUFFIX", "")


def happened(call: Call[Any]) -> None:
    """The effect: one line, appended in one write."""
    noted(call.tool, call.turn, call.idempotency_key)


def noted(*words: str) -> None:
    line = f"{' '.join(words)}\n".encode()
    file = os.open(os.environ["HOLDFAST_TEST_EFFECTS"], os.O_WRONLY | os.O_APPEND)
    os.write(file, line)
    os.close(file)


@tool(approval=True)
async def refund(call: Call[Any], order_id: str, amount: float) -> str:
    """Refund an order."""
    happened(call)
    return f"refunded {amount}"


@tool(approval=False)
async def lookup(call: Call[Any], order_id: str) -> str:
    """Look an order up."""
    happened(call)
    return f"order {order_id}"


@tool(approval=True, idempotent=True)
async def notify(call: Call[Any], whom: str) -> str:
    """Tell somebody."""
    happened(call)
    return f"told {whom}"


@client_tool
async def location(accuracy: str) -> str: ...


@app.agent("refunds" + SUFFIX, tools=[refund, lookup])
async def refunds(turn: Turn) -> str:
    """One look, one approval, one effect."""
    await turn.write("Looking. ")
    await turn.call(lookup, "A-17")
    result = await turn.call(refund, "A-17", 200.0)
    await turn.write("Done." if result.ok else f"Not done: {result.reason}")
    return result.status


@app.agent("asks" + SUFFIX, tools=[refund])
async def asks(turn: Turn) -> str:
    """One approval, nothing else."""
    return (await turn.call(refund, "A-17", 200.0)).status


@tool(approval=True, editable=True, approvers=Approvers(quorum=2))
async def pay(call: Call[Any], amount: float) -> str:
    """Pay, if two agree on how much."""
    happened(call)
    return f"paid {amount}"


@app.agent("pays" + SUFFIX, tools=[pay])
async def pays(turn: Turn) -> list[Any]:
    """What two people decide together, and what they add to it."""
    result = await turn.call(pay, 200.0)
    return [result.returned, result.decision.body.get("metadata") if result.decision else None]


@app.agent("pairs" + SUFFIX, tools=[refund])
async def pairs(turn: Turn) -> list[str]:
    """Two approvals at once."""
    first, second = await turn.all(turn.call(refund, "A-1", 1.0), turn.call(refund, "B-2", 2.0))
    return [first.status, second.status]


@app.agent("twice" + SUFFIX, tools=[refund])
async def twice(turn: Turn) -> list[str]:
    """Two approvals, one after the other."""
    first = await turn.call(refund, "A-1", 1.0)
    second = await turn.call(refund, "B-2", 2.0)
    return [first.status, second.status]


@app.agent("listens" + SUFFIX, tools=[refund, lookup])
async def listens(turn: Turn) -> list[list[str]]:
    """Two approvals; and after the first, whatever was said meanwhile."""
    first = await turn.call(refund, "A-1", 1.0)
    said = [message.text for message in await turn.steering()]
    await turn.call(lookup, "A-1")
    second = await turn.call(refund, "B-2", 2.0)
    return [said, [first.status, second.status], [message.text for message in await turn.steering()]]


@app.agent("finds" + SUFFIX, tools=[location])
async def finds(turn: Turn) -> Any:
    """A tool of the device's."""
    return (await turn.call(location, "high")).value


@client_tool
async def anything() -> Any: ...


@app.agent("whatever" + SUFFIX, tools=[anything])
async def whatever(turn: Turn) -> list[Any]:
    """What a device gives, as it is."""
    result = await turn.call(anything)
    return [result.status, result.value]


@app.agent("mixes" + SUFFIX, tools=[location, refund, lookup])
async def mixes(turn: Turn) -> list[Any]:
    """Devices, people and neither, at once."""
    results = await turn.all(
        turn.call(location, "a"),
        turn.call(refund, "A-1", 1.0),
        turn.call(lookup, "A-17"),
        turn.call(location, "b"),
        turn.call(refund, "B-2", 2.0),
    )
    return [result.value for result in results]


@app.agent("streams" + SUFFIX)
async def streams(turn: Turn) -> int:
    """As many chunks as the message says; a pause after every hundredth if it says so."""
    count, _, pause = turn.message.text.partition(" ")
    for number in range(int(count)):
        await turn.write(f"{number} ")
        if pause and number % 100 == 99:
            await asyncio.sleep(float(pause))
    return int(count)


@app.agent("slow" + SUFFIX, tools=[lookup])
async def slow(turn: Turn) -> str:
    """Writes for a while, then looks."""
    for number in range(100):
        await turn.write(f"{number} ")
        await asyncio.sleep(0.02)
    return (await turn.call(lookup, "A-17")).status


@app.agent("raises" + SUFFIX)
async def raises(turn: Turn) -> None:
    await turn.write("Hm. ")
    raise ValueError("broken")
