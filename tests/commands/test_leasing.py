"""A client tool's call belongs to one device at a time, whose progress is seen, and is soon another's if it is gone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.commands.scene import ALICE, Scene
from tests.commands.test_answering import answer

from holdfast.commands import answering, claiming
from holdfast.core.claiming import GRACE_MS, LEASE_MS, PROGRESS_EVERY_MS
from holdfast.core.errors import Conflict, Forbidden, LimitReached
from holdfast.core.identity import Principal
from holdfast.core.interrupts import Approvers, Interrupt
from holdfast.protocol.frames import Answer, Answered, Claim, Ok, Progress
from holdfast.runtime.sweeper import Sweeper

NEARLY_MS = LEASE_MS - 10_000  # the clock goes on while the test runs
OLGA = Principal("olga", sessions=("*",), name="Olga")


async def claim(
    scene: Scene, shown: Interrupt, device: str | None, by: Principal = ALICE, connection: str = "c1", **more: Any
) -> Ok:
    frame = Claim(f"{by.subject} {device} {scene.next_ref()}", shown.session, shown.id, device=device, **more)
    return await claiming.claim(scene.backend, by, frame, "test", connection)


async def progress(scene: Scene, shown: Interrupt, device: str, told: Any, by: Principal = ALICE) -> Ok:
    frame = Progress(f"p {scene.next_ref()}", shown.session, shown.id, told, device)
    return await claiming.progress(scene.backend, by, frame, "test", "c1")


async def answered(scene: Scene, shown: Interrupt, device: str, payload: Any) -> Answered:
    frame = Answer(f"a {scene.next_ref()}", shown.session, shown.id, "resolved", payload, device)
    return await answering.answer(scene.backend, ALICE, frame, "test")


async def told(scene: Scene, field: str) -> list[Any]:
    updates = await scene.events("interrupt.updated")
    return [event["changes"][field] for event in updates if field in event["changes"]]


async def holders(scene: Scene) -> list[str | None]:
    return [claim and claim["device"] for claim in await told(scene, "claim")]


async def sweep(scene: Scene, after_ms: int) -> None:
    await scene.advance(after_ms)
    await Sweeper(scene.backend).sweep()


async def test_of_ten_devices_of_one_person_one_has_it(scene: Scene) -> None:
    shown = await scene.ask_and_wait("client_tool")
    asked = (claim(scene, shown, f"device {number}") for number in range(10))
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    refused = [each for each in outcomes if isinstance(each, Conflict)]
    assert len(refused) == 9
    assert {each.details["claim"]["device"] for each in refused} == set(await holders(scene))
    assert len(await holders(scene)) == 1


async def test_it_is_renewed_without_a_word_and_its_end_is_told(scene: Scene) -> None:
    shown = await scene.ask_and_wait("client_tool")
    await claim(scene, shown, "phone")
    await sweep(scene, NEARLY_MS)
    await claim(scene, shown, "phone")
    await sweep(scene, NEARLY_MS)
    assert await holders(scene) == ["phone"]
    await sweep(scene, LEASE_MS - NEARLY_MS)
    assert await holders(scene) == ["phone", None]
    await claim(scene, shown, "laptop")
    assert await holders(scene) == ["phone", None, "laptop"]


async def test_renewals_leave_nothing_behind(scene: Scene) -> None:
    shown = await scene.ask_and_wait("client_tool")
    await claim(scene, shown, "phone")
    before = await scene.fingerprint()
    for _ in range(3):
        assert (await claim(scene, shown, "phone")).session == scene.session
    after = await scene.fingerprint()
    assert (after["refs"], after["log"]) == (before["refs"], before["log"])


async def test_a_closed_connection_frees_it_soon_unless_the_device_is_back(scene: Scene) -> None:
    shown = await scene.ask_and_wait("client_tool")
    await claim(scene, shown, "phone", connection="c1")
    await claiming.connection_gone(scene.backend, shown.id, "c1")
    await claim(scene, shown, "phone", connection="c2")
    await claiming.connection_gone(scene.backend, shown.id, "c1")  # said late: it is back
    await sweep(scene, GRACE_MS)
    assert await holders(scene) == ["phone"]
    await claiming.connection_gone(scene.backend, shown.id, "c2")
    with pytest.raises(Conflict):
        await claim(scene, shown, "laptop")
    await sweep(scene, GRACE_MS)
    assert await holders(scene) == ["phone", None]


async def test_an_answer_ends_it_with_its_deadline(scene: Scene) -> None:
    shown = await scene.ask_and_wait("client_tool")
    await claim(scene, shown, "phone")
    await answered(scene, shown, "phone", {"output": 1})
    assert (await scene.fingerprint())["deadlines"] == []
    await claiming.connection_gone(scene.backend, shown.id, "c1")
    assert await holders(scene) == ["phone"]


@pytest.mark.parametrize("payload", [{"output": None}, {"output": 0}, {"output": False}, {"output": ""}], ids=str)
async def test_an_output_counts_whoever_holds_the_claim(scene: Scene, payload: Any) -> None:
    """It has happened on that device: to refuse it would undo nothing, and have it done once more."""
    shown = await scene.ask_and_wait("client_tool")
    await claim(scene, shown, "phone")
    first = await answered(scene, shown, "laptop", payload)
    late = await answered(scene, shown, "phone", {"output": "mine"})
    assert (first.outcome, late.outcome) == ("won", "lost")
    assert late.decision == first.decision
    assert late.decision is not None
    assert late.decision.payload == payload


async def test_a_device_cannot_give_up_what_another_does(scene: Scene) -> None:
    shown = await scene.ask_and_wait("client_tool")
    await claim(scene, shown, "phone")
    before = await scene.fingerprint()
    with pytest.raises(Conflict) as caught:
        await answered(scene, shown, "laptop", {"error": "no GPS"})
    assert caught.value.details["claim"]["device"] == "phone"
    assert await scene.fingerprint() == before
    assert (await answered(scene, shown, "phone", {"error": "no GPS"})).outcome == "won"
    assert (await answered(scene, shown, "laptop", {"error": "no GPS"})).outcome == "lost"


async def test_a_persons_word_settles_it_whatever_a_device_does(scene: Scene) -> None:
    shown = await scene.ask_and_wait("client_tool")
    await claim(scene, shown, "phone")
    assert (await answer(scene, shown, {"error": "never mind"}, by=OLGA)).outcome == "won"


@pytest.mark.parametrize("payload", [5, None, [], "error", {}, {"output": 1, "error": "x"}], ids=str)
async def test_what_is_malformed_is_refused_whoever_holds_it(scene: Scene, payload: Any) -> None:
    shown = await scene.ask_and_wait("client_tool")
    before = await scene.fingerprint()
    with pytest.raises(Exception, match="payload"):
        await answered(scene, shown, "phone", payload)
    assert await scene.fingerprint() == before


async def test_progress_is_seen_claims_and_renews(scene: Scene) -> None:
    shown = await scene.ask_and_wait("client_tool")
    await progress(scene, shown, "phone", {"percent": 10})
    with pytest.raises(LimitReached):
        await progress(scene, shown, "phone", {"percent": 11})
    await scene.advance(PROGRESS_EVERY_MS)
    with pytest.raises(Conflict):
        await progress(scene, shown, "laptop", {"percent": 99})
    await progress(scene, shown, "phone", {"percent": 20})
    await sweep(scene, NEARLY_MS)
    assert await holders(scene) == ["phone"]
    assert await told(scene, "progress") == [{"percent": 10}, {"percent": 20}]


async def test_who_may_not_answer_may_not_claim_or_tell(scene: Scene) -> None:
    shown = await scene.ask_and_wait("client_tool", approvers=Approvers(subjects=("olga",)))
    for refused in (claim(scene, shown, "phone"), progress(scene, shown, "phone", 1)):
        with pytest.raises(Forbidden):
            await refused
