"""What a graph is told when a turn begins. Pure.

A graph remembers by its checkpointer, so it is told what is new since the checkpoint from which it goes on: what
caused the turn, and what was said meanwhile in turns that came to no checkpoint.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import msgspec
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from holdfast.core.messages import Message, Part

METADATA = "langgraph"  # under which a message says where its turn left the graph
_KINDS = {"image": "image", "audio": "audio", "video": "video"}


class Place(msgspec.Struct, frozen=True):
    """A checkpoint. None: the thread begins."""

    thread: str
    checkpoint: str | None = None


def place(turn: str, history: list[Message]) -> tuple[Place, list[Message]]:
    """From where the graph goes on, and what was said since.

    A former turn left it there; on a branch that is the turn before the branch began. Else a new thread begins.
    """
    for index in range(len(history) - 1, -1, -1):
        kept = (history[index].metadata or {}).get(METADATA)
        if kept is not None:
            return msgspec.convert(kept, Place), history[index + 1 :]
    return Place(turn), history


def said(messages: Iterable[Message]) -> list[BaseMessage]:
    """Messages as a graph's `messages` has them. Of those of the agent only the text: its calls are not undone."""
    made: list[BaseMessage] = []
    for message in messages:
        if message.role == "user" and message.parts:
            made.append(asked(message))
        elif message.role == "assistant" and message.text:
            made.append(AIMessage(message.text, id=message.id))
    return made


def asked(message: Message) -> HumanMessage:
    """What a person said, with its files."""
    blocks: list[Any] = []
    for part in message.parts:
        kind = str(part["type"])
        if kind == "text":
            blocks.append({"type": "text", "text": part["text"]})
        elif kind == "file":
            blocks.append(_file(part))
        elif kind.startswith("data-"):
            text = f"{kind.removeprefix('data-')}: {json.dumps(part.get('data'))}"
            blocks.append({"type": "text", "text": text})
    texts = [str(block["text"]) for block in blocks if block["type"] == "text"]
    return HumanMessage("\n\n".join(texts) if len(texts) == len(blocks) else blocks, id=message.id)


def _file(part: Part) -> dict[str, Any]:
    url, media_type = str(part["url"]), str(part.get("mediaType") or "application/octet-stream")
    kind = _KINDS.get(media_type.partition("/")[0], "file")
    head, comma, data = url.partition(",")
    if url.startswith("data:") and comma and head.endswith(";base64"):
        return {"type": kind, "base64": data, "mime_type": media_type}
    return {"type": kind, "url": url, "mime_type": media_type}
