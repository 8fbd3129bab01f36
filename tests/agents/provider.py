"""A provider of models on this machine: real HTTP, the documented event streams, replies as a test says them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

Event = dict[str, Any]


@dataclass
class Reply:
    """What one request gets. After its events the stream ends as it should, breaks off, or is held open.

    With `pause`, the second half of the events comes when that is set.
    """

    events: Sequence[Event] = ()
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    then: Literal["end", "break", "hold"] = "end"
    pause: asyncio.Event | None = None


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    body: Any


class Provider:
    """Answers one request after the other from its script, and notes each."""

    def __init__(self, replies: Sequence[Reply]) -> None:
        self._replies = list(replies)
        self.requests: list[Request] = []
        self.holding, self.left = asyncio.Event(), asyncio.Event()
        self.url = ""
        self._writers: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[Any]] = set()

    async def close(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*self._serving)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        self._writers.add(writer)
        try:
            while (request := await _read(reader)) is not None:
                self.requests.append(request)
                reply = self._replies[len(self.requests) - 1]
                await self._answer(reply, writer)
                if reply.then == "hold":
                    self.holding.set()
                    await reader.read(1)  # until the other side hangs up
                    self.left.set()
                if reply.then != "end":
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()

    async def _answer(self, reply: Reply, writer: asyncio.StreamWriter) -> None:
        kind = "application/json" if reply.body is not None else "text/event-stream"
        headers = {"content-type": kind, "transfer-encoding": "chunked"} | reply.headers
        lines = [f"HTTP/1.1 {reply.status} x", *(f"{name}: {value}" for name, value in headers.items())]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        if reply.body is not None:
            _chunk(writer, json.dumps(reply.body))
        for nth, event in enumerate(reply.events):
            if reply.pause is not None and nth == len(reply.events) // 2:
                await reply.pause.wait()
            named = f"event: {event['type']}\n" if "type" in event else ""
            _chunk(writer, f"{named}data: {json.dumps(event)}\n\n")
            await writer.drain()
        if reply.then == "end":
            writer.write(b"0\r\n\r\n")
        await writer.drain()


@asynccontextmanager
async def provider(*replies: Reply) -> AsyncGenerator[Provider]:
    made = Provider(replies)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        server.close()
        await made.close()


def _chunk(writer: asyncio.StreamWriter, text: str) -> None:
    data = text.encode()
    writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")


async def _read(reader: asyncio.StreamReader) -> Request | None:
    first = await reader.readline()
    if not first:
        return None
    headers: dict[str, str] = {}
    while (line := (await reader.readline()).decode().strip()) != "":
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(first.decode().split(" ")[1], headers, json.loads(body or b"null"))


# ---------------------------------------------------------------- OpenAI: POST /responses


def openai(*items: Event) -> list[Event]:
    """The events of a response with these items: `openai_reasoning`, `openai_text`, `openai_call`."""
    response = {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_790_000_000,
        "model": "gpt-5",
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "status": "in_progress",
    }
    usage = {
        "input_tokens": 50,
        "input_tokens_details": {"cached_tokens": 10},
        "output_tokens": 20,
        "output_tokens_details": {"reasoning_tokens": 5},
        "total_tokens": 70,
    }
    events: list[Event] = [{"type": "response.created", "response": response}]
    for index, item in enumerate(items):
        events.extend(_openai_item(index, item))
    done = response | {"status": "completed", "output": list(items), "usage": usage}
    numbered = [*events, {"type": "response.completed", "response": done}]
    return [event | {"sequence_number": number} for number, event in enumerate(numbered)]


def openai_reasoning(own_id: str, summary: str, encrypted: str) -> Event:
    told = [{"type": "summary_text", "text": summary}]
    return {"type": "reasoning", "id": own_id, "summary": told, "encrypted_content": encrypted}


def openai_text(text: str, *cited: Event) -> Event:
    content = {"type": "output_text", "text": text, "annotations": list(cited)}
    return {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [content]}


def openai_call(name: str, arguments: Any, call_id: str) -> Event:
    call = {"type": "function_call", "id": f"fc_{call_id}", "call_id": call_id, "name": name, "status": "completed"}
    return call | {"arguments": json.dumps(arguments)}


def _openai_item(index: int, item: Event) -> list[Event]:
    at = {"output_index": index, "item_id": item["id"]}
    deltas: list[Event] = []
    begun = dict(item)
    match item["type"]:
        case "message":
            begun["content"] = []
            part = item["content"][0]
            place = at | {"content_index": 0}
            deltas.append(
                {"type": "response.content_part.added", "part": part | {"text": "", "annotations": []}, **place}
            )
            told = {"type": "response.output_text.delta", "logprobs": [], **place}
            deltas.extend(told | {"delta": piece} for piece in _pieces(part["text"]))
            cited = {"type": "response.output_text.annotation.added", **place}
            deltas.extend(
                cited | {"annotation_index": nth, "annotation": one} for nth, one in enumerate(part["annotations"])
            )
            deltas.append({"type": "response.output_text.done", "text": part["text"], "logprobs": [], **place})
            deltas.append({"type": "response.content_part.done", "part": part, **place})
        case "function_call":
            begun["arguments"] = ""
            told = {"type": "response.function_call_arguments.delta", **at}
            deltas.extend(told | {"delta": piece} for piece in _pieces(item["arguments"]))
            done = {"arguments": item["arguments"], "name": item["name"]}
            deltas.append({"type": "response.function_call_arguments.done", **done, **at})
        case "reasoning":
            begun |= {"summary": [], "encrypted_content": None}
            place = at | {"summary_index": 0}
            part = item["summary"][0]
            deltas.append({"type": "response.reasoning_summary_part.added", "part": part | {"text": ""}, **place})
            told = {"type": "response.reasoning_summary_text.delta", **place}
            deltas.extend(told | {"delta": piece} for piece in _pieces(part["text"]))
            deltas.append({"type": "response.reasoning_summary_text.done", "text": part["text"], **place})
            deltas.append({"type": "response.reasoning_summary_part.done", "part": part, **place})
    added = {"type": "response.output_item.added", "output_index": index, "item": begun}
    return [added, *deltas, {"type": "response.output_item.done", "output_index": index, "item": item}]


# ---------------------------------------------------------------- Anthropic: POST /v1/messages


def anthropic(*blocks: Event) -> list[Event]:
    """The events of a message with these blocks: `anthropic_thinking`, `anthropic_text`, `anthropic_call`."""
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-5-5",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 50, "output_tokens": 1},
    }
    events: list[Event] = [{"type": "message_start", "message": message}, {"type": "ping"}]
    for index, block in enumerate(blocks):
        events.extend(_anthropic_block(index, block))
    reason = "tool_use" if any(block["type"] == "tool_use" for block in blocks) else "end_turn"
    ended = {"delta": {"stop_reason": reason, "stop_sequence": None}, "usage": {"output_tokens": 20}}
    return [*events, {"type": "message_delta", **ended}, {"type": "message_stop"}]


def anthropic_thinking(text: str, signature: str) -> Event:
    return {"type": "thinking", "thinking": text, "signature": signature}


def openai_image(data: str) -> Event:
    made = {"status": "completed", "output_format": "png", "size": "1x1", "quality": "low", "background": "opaque"}
    return {"type": "image_generation_call", "id": "ig_1", "result": data, **made}


def anthropic_text(text: str, *cited: Event) -> Event:
    return {"type": "text", "text": text, "citations": list(cited)}


def anthropic_call(name: str, arguments: Any, call_id: str) -> Event:
    return {"type": "tool_use", "id": call_id, "name": name, "input": arguments}


def _anthropic_block(index: int, block: Event) -> list[Event]:
    match block["type"]:
        case "text":
            begun: Event = {"type": "text", "text": ""} | ({"citations": []} if block["citations"] else {})
            deltas = [{"type": "citations_delta", "citation": one} for one in block["citations"]]
            deltas.extend({"type": "text_delta", "text": piece} for piece in _pieces(block["text"]))
        case "thinking":
            begun = {"type": "thinking", "thinking": "", "signature": ""}
            deltas = [{"type": "thinking_delta", "thinking": piece} for piece in _pieces(block["thinking"])]
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
        case _:
            begun = block | {"input": {}}
            given = json.dumps(block["input"])
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in _pieces(given)]
    return [
        {"type": "content_block_start", "index": index, "content_block": begun},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


# ---------------------------------------------------------------- Google: POST …:streamGenerateContent?alt=sse


def google(*parts: Event) -> list[Event]:
    """The events of a candidate with these parts, as the wire has them."""
    contents = [{"role": "model", "parts": [part]} for part in parts]
    events: list[Event] = [{"candidates": [{"content": content, "index": 0}]} for content in contents]
    usage = {"promptTokenCount": 50, "candidatesTokenCount": 20, "totalTokenCount": 70}
    events[-1]["candidates"][0]["finishReason"] = "STOP"
    return [event | {"usageMetadata": usage, "modelVersion": "gemini-3-pro", "responseId": "r1"} for event in events]


def _pieces(text: str, size: int = 7) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]
