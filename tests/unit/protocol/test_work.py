"""What a worker over HTTP sends: bounded, strict where it matters, with defaults where it does not."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from holdfast.core.approval import Approval
from holdfast.core.manifests import ToolRules
from holdfast.protocol import work

WRITE = {"fence": "1-a:1", "number": 1}


@pytest.mark.parametrize(
    ("kind", "sent"),
    [
        (work.Append, {**WRITE, "number": 0}),
        (work.Append, {"fence": "1-a:1"}),
        (work.Append, {**WRITE, "chunks": [{}] * (work.CHUNKS_MAX + 1)}),
        (work.Append, {**WRITE, "chunks": ["text"]}),
        (work.Append, {**WRITE, "op": "text:last"}),
        (work.Append, {**WRITE, "op": "tool:refund:1"}),
        (work.Append, {**WRITE, "op": "stream:a/b:1"}),
        (work.NewRecord, {**WRITE, "name": "a/b"}),
        (work.NewQuestion, {**WRITE, "kind": "gate", "name": "a/b"}),
        (work.NewManifest, {"tools": [{"name": "a/b", "inputSchema": {}}]}),
        (work.NewCall, {**WRITE, "tool": "", "input": {}}),
        (work.NewCall, {**WRITE, "tool": "refund", "input": [1]}),
        (work.NewCall, {**WRITE, "tool": "refund", "input": {}, "nth": 0}),
        (work.NewCall, {**WRITE, "tool": "refund", "input": {}, "approval": "no"}),
        (work.NewRecord, {**WRITE, "name": "x" * (work.NAME_MAX + 1)}),
        (work.NewRecord, {**WRITE, "kind": "tool", "name": "x"}),
        (work.NewEnd, {**WRITE, "error": {"code": "x"}}),
        (work.LeaseWanted, {"agents": []}),
        (work.LeaseWanted, {"agents": [{"agent": "a"}] * (work.AGENTS_MAX + 1)}),
        (work.NewManifest, {"tools": [{"name": "a", "inputSchema": {}}] * (work.TOOLS_MAX + 1)}),
        (work.NewManifest, {"tools": [{"name": "a", "inputSchema": {}, "rules": {"approval": "true"}}]}),
        (work.NewManifest, {"tools": [{"name": "a", "inputSchema": {}, "rules": {"approval": 1}}]}),
    ],
)
def test_what_is_malformed(kind: type[Any], sent: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(sent, kind, strict=True)


def test_what_is_not_said_asks_and_promises_nothing() -> None:
    said = msgspec.convert({"tools": [{"name": "a", "inputSchema": {}}]}, work.NewManifest)
    assert said.tools[0].rules == ToolRules()
    assert (ToolRules().approval, ToolRules().idempotent, ToolRules().editable) == (None, False, False)


@pytest.mark.parametrize("op", ["text:0", "text:12", "stream:model:1", "stream:a model: the 2nd:10000"])
def test_under_which_names_a_worker_may_stream(op: str) -> None:
    assert msgspec.convert({**WRITE, "op": op}, work.Append).op == op


def test_what_a_predicate_says() -> None:
    sent = {**WRITE, "tool": "refund", "input": {}, "approval": {"required": True, "message": "Really?"}}
    assert msgspec.convert(sent, work.NewCall).approval == Approval(True, "Really?")


def test_what_is_to_be_done_next_is_always_said() -> None:
    held = {"turn": "t_1.s", "fence": "1-a:1", "number": 3, "status": "running"}
    assert msgspec.to_builtins(work.Performed(**held, do="go_on"))["do"] == "go_on"  # type: ignore[arg-type]
    assert msgspec.to_builtins(work.Held(**held)) == held  # type: ignore[arg-type]
