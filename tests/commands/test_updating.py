"""Answers that name a tool call: each is an answer, and none writes a server tool's output (promise 8)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.commands.scene import ALICE, STRANGER, Scene

from holdfast.commands import updating
from holdfast.core.interrupts import Interrupt
from holdfast.protocol.frames import ToolUpdate, Update, UpdateResult


async def update(scene: Scene, *items: ToolUpdate, ref: str = "u1", **more: Any) -> list[UpdateResult]:
    by = more.pop("by", ALICE)
    updated = await updating.update(scene.backend, by, Update(ref, scene.session, list(items), **more), "test")
    return updated.results


def item(kind: str, shown: Interrupt, **fields: Any) -> ToolUpdate:
    return ToolUpdate(kind, shown.toolCallId or "", **fields)  # type: ignore[arg-type]


def code(result: UpdateResult) -> str | None:
    return result.error["code"] if result.error else None


async def test_a_response_answers_an_approval(scene: Scene) -> None:
    shown = await scene.ask_and_wait()
    (result,) = await update(scene, item("tool-approval-response", shown, approved=True, reason="fine"))
    assert (result.outcome, result.interrupt) == ("won", shown.id)
    assert result.decision is not None
    assert result.decision.payload == {"approved": True, "reason": "fine"}
    assert result.decision.ref == f"u1#{shown.toolCallId}"


@pytest.mark.parametrize("approved", ["true", 1, None, "yes"])
async def test_only_true_approves(scene: Scene, approved: Any) -> None:
    shown = await scene.ask_and_wait()
    before = await scene.fingerprint()
    (result,) = await update(scene, item("tool-approval-response", shown, approved=approved))
    assert code(result) == "bad_input"
    assert await scene.fingerprint() == before


async def test_a_response_without_approved_is_no_yes(scene: Scene) -> None:
    shown = await scene.ask_and_wait()
    (result,) = await update(scene, item("tool-approval-response", shown))
    assert code(result) == "bad_input"


async def test_the_output_of_a_server_tool_is_forged(scene: Scene) -> None:
    shown = await scene.ask_and_wait()
    before = await scene.fingerprint()
    (result,) = await update(scene, item("tool-output-available", shown, output="refunded"))
    assert code(result) == "forged_output"
    assert await scene.fingerprint() == before


async def test_it_is_forged_also_when_the_call_was_approved(scene: Scene) -> None:
    shown = await scene.ask_and_wait()
    await update(scene, item("tool-approval-response", shown, approved=True))
    (result,) = await update(scene, item("tool-output-available", shown, output="refunded"), ref="u2")
    assert code(result) == "forged_output"


async def test_an_error_denies_a_gated_tool_with_its_text(scene: Scene) -> None:
    shown = await scene.ask_and_wait()
    (result,) = await update(scene, item("tool-output-error", shown, errorText="too much"))
    assert result.decision is not None
    assert result.decision.payload == {"approved": False, "reason": "too much"}


@pytest.mark.parametrize("output", [None, 0, False, "", {"lat": 1}], ids=str)
async def test_an_output_is_the_answer_to_a_client_tool(scene: Scene, output: Any) -> None:
    shown = await scene.ask_and_wait("client_tool")
    (result,) = await update(scene, item("tool-output-available", shown, output=output))
    assert result.decision is not None
    assert result.decision.payload == {"output": output}


async def test_a_client_tool_may_fail(scene: Scene) -> None:
    shown = await scene.ask_and_wait("client_tool")
    (result,) = await update(scene, item("tool-output-error", shown, errorText="no GPS"))
    assert result.decision is not None
    assert result.decision.payload == {"error": "no GPS"}


async def test_an_output_is_the_payload_of_a_question(scene: Scene) -> None:
    shown = await scene.ask_and_wait("question")
    (result,) = await update(scene, item("tool-output-available", shown, output={"text": "the blue one"}))
    assert result.outcome == "won"


async def test_an_error_of_one_never_touches_its_siblings(scene: Scene) -> None:
    first, second = await scene.ask(), await scene.ask_and_wait("client_tool")
    results = await update(
        scene,
        item("tool-output-available", first, output="forged"),
        ToolUpdate("tool-approval-response", "call_none", approved=True),
        item("tool-output-available", second, output=1),
    )
    assert [code(result) or result.outcome for result in results] == ["forged_output", "not_found", "won"]
    assert (await scene.turn()).open == (first.id,)


async def test_a_late_update_meets_the_decision_and_changes_nothing(scene: Scene) -> None:
    shown = await scene.ask_and_wait()
    (won,) = await update(scene, item("tool-approval-response", shown, approved=True))
    before = await scene.fingerprint()
    (late,) = await update(scene, item("tool-approval-response", shown, approved=False), ref="u2")
    assert (late.outcome, late.decision) == ("lost", won.decision)
    assert await scene.fingerprint() == before


async def test_repeated_it_repeats_its_results(scene: Scene) -> None:
    shown = await scene.ask_and_wait()
    answer = item("tool-approval-response", shown, approved=True)
    first = await update(scene, answer)
    assert await update(scene, answer) == first


async def test_the_message_must_be_the_one_of_the_call(scene: Scene) -> None:
    shown = await scene.ask_and_wait()
    (result,) = await update(scene, item("tool-approval-response", shown, approved=True), message="m_other")
    assert code(result) == "not_found"
    own = (await scene.turn()).message
    (result,) = await update(scene, item("tool-approval-response", shown, approved=True), message=own)
    assert result.outcome == "won"


async def test_a_stranger_finds_nothing(scene: Scene) -> None:
    shown = await scene.ask_and_wait()
    (result,) = await update(scene, item("tool-approval-response", shown, approved=True), by=STRANGER)
    assert code(result) == "not_found"
