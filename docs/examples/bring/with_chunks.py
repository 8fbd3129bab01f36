from collections.abc import AsyncIterator
from typing import Any

from holdfast import App, Turn
from holdfast.agents import from_chunks


async def desk(turn: Turn, messages: list[dict[str, Any]]) -> AsyncIterator[Any]:
    """What would serve `useChat`: `messages` are its UIMessages, and what is yielded are its chunks."""
    answered = [part for part in messages[-1]["parts"] if part.get("state") == "approval-responded"]
    for part in answered:  # called again, with the answers: the last message is our own now
        if part["approval"]["approved"]:
            output = f"{part['input']['amount']} paid back for {part['input']['order']}"
            yield {"type": "tool-output-available", "toolCallId": part["toolCallId"], "output": output}
            yield f"Done: {output}."
        else:
            yield {"type": "tool-output-denied", "toolCallId": part["toolCallId"]}
            yield f"Not refunded: {part['approval'].get('reason', 'no')}."
    if not answered:
        order, amount = messages[-1]["parts"][0]["text"].split()  # a model would say it in more words
        yield "Let me see. "
        call: dict[str, Any] = {"toolCallId": "call-1", "toolName": "refund"}
        yield {"type": "tool-input-available", **call, "input": {"order": order, "amount": float(amount)}}
        yield {"type": "tool-approval-request", "toolCallId": "call-1", "approvalId": "approval-1"}


app = App()
app.add_agent("support", from_chunks(desk, asks={"refund": {"expires": "7 days"}}))
