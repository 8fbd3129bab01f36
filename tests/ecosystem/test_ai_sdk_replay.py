"""What a chat is told anew, folded by the AI SDK itself: the message that stands, in chunks that it accepts."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from holdfast.core.messages import Message, fold_chunk
from holdfast.gateways.ai_sdk.replay import catching_up
from holdfast.gateways.ai_sdk.versions import Version, understood

HERE = Path(__file__).parent
CASES = msgspec.json.decode((HERE.parent / "conformance" / "messages.json").read_bytes())
FOLDING = HERE / "folding.mjs"
#: What a page shows of a part.
SHOWN = ("type", "toolCallId", "toolName", "state", "text", "input", "output", "errorText", "data", "url", "kind")


def messages() -> list[Message]:
    """Those that say something the AI SDK can show: a part of each kind, in each state."""
    found = [msgspec.convert(case["message"], Message) for case in CASES if case["message"]["parts"]]
    return [message for message in found if message.id and message.role == "assistant"]


def replay(message: Message, version: Version) -> list[dict[str, Any]]:
    chunks = [{"type": "start", "messageId": message.id}, *catching_up(None, message)]
    return [chunk for chunk in chunks if understood(chunk, version)]


def folded(lists: list[list[dict[str, Any]]], version: Version) -> list[dict[str, Any]]:
    command = ["node", str(FOLDING), str(version)]
    done = subprocess.run(command, input=msgspec.json.encode(lists), capture_output=True, check=True, timeout=60)
    return [msgspec.json.decode(line) for line in done.stdout.splitlines()]


def shown(parts: list[dict[str, Any]], version: Version, whole: dict[str, bool]) -> list[dict[str, Any]]:
    """The parts as a page shows them; a step is not shown at the end, and 6 does not know all."""
    kept = [{key: part[key] for key in SHOWN if part.get(key) is not None} for part in parts]
    if version == 6:
        kept = [part for part in kept if part["type"] not in ("custom", "reasoning-file", "steering-message")]
    for part in kept:
        if part["type"].startswith(("tool-", "dynamic-tool")) and whole.get(part["toolCallId"]) is False:
            part.pop("input", None)  # the AI SDK guesses it from what had come, we do not
        if version == 6 and part.get("state") == "approval-responded":
            part["state"] = "approval-requested"  # it cannot be told
    while kept and kept[-1]["type"] == "step-start":
        kept.pop()
    return kept


@pytest.mark.parametrize("version", [6, 7])
def test_every_message_is_told_as_it_stands(version: Version) -> None:
    given = messages()
    assert len(given) > 20
    for message, got in zip(given, folded([replay(one, version) for one in given], version), strict=True):
        assert [chunk for chunk in got["invalid"] if "citations" not in chunk] == [], message  # the case's are made up
        assert got["errors"] == [], message
        parts = got["folded"]["parts"] if got["folded"] else []
        whole = {part["toolCallId"]: "input" in part for part in message.parts if "toolCallId" in part}
        assert shown(parts, version, whole) == shown(message.parts, version, whole), replay(message, version)


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_who_has_a_part_is_told_the_rest(case: dict[str, Any]) -> None:
    whole = Message("", "assistant", [])
    for chunk in case["chunks"]:
        fold_chunk(whole, chunk)
    for cut in range(len(case["chunks"]) + 1):
        message = Message("", "assistant", [])
        for chunk in case["chunks"][:cut]:
            fold_chunk(message, chunk)
        before = msgspec.json.encode(message)
        chunks = catching_up(msgspec.json.decode(before, type=Message), whole)
        assert [chunk for chunk in chunks if not understood(chunk, 7)] == []
        for chunk in chunks:
            fold_chunk(message, chunk)
        if "reset-step" not in str(case["chunks"]):
            # What was left goes on in a part of its own: of two that interleave, the order may be another.
            assert sorted(message.text) == sorted(whole.text), (cut, chunks)
        assert catching_up(whole, whole) == []
