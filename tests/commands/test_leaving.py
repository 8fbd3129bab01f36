"""Away, and a deputy: over the real store, by the commands that everybody uses."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from tests.commands.scene import ALICE, Scene
from tests.commands.test_answering import answer

from holdfast.commands import answering, auditing, claiming, gating, inbox, leaving, linking, reading, updating
from holdfast.core.errors import BadInput, Conflict, Forbidden, NotFound
from holdfast.core.identity import Principal
from holdfast.core.interrupts import Approvers
from holdfast.core.people import DAY_MS
from holdfast.protocol.frames import Answer, Claim, Gate, Progress, ToolUpdate, Update

FAY = Principal("fay", ("finance",), name="Fay")
DAN = Principal("dan", name="Dan")
FINANCE = Approvers(("finance",))


async def leave(scene: Scene, who: Principal = FAY, deputy: str | None = "dan", ms: int = DAY_MS) -> leaving.Absence:
    now_ms = await scene.backend.directory.now_ms()
    return await leaving.leave(scene.backend, who, now_ms + ms, deputy)


async def test_a_deputy_answers_in_the_place_of_who_is_away(scene: Scene) -> None:
    shown = await scene.ask_and_wait(approvers=FINANCE)
    with pytest.raises(NotFound):
        await answer(scene, shown, by=DAN)
    assert (await leave(scene)).away
    assert [each.id for each in (await inbox.inbox(scene.backend, DAN)).interrupts] == [shown.id]
    assert (await reading.interrupt(scene.backend, DAN, shown.id)).canAnswer
    won = await answer(scene, shown, by=DAN)
    assert won.decision is not None
    assert (won.outcome, won.decision.by.id, won.decision.by.deputyFor) == ("won", "dan", "fay")
    assert await answer(scene, shown, by=DAN) == won  # the same ref: the same reply
    assert (await scene.turn()).status == "ready"


async def test_by_tool_call_too(scene: Scene) -> None:
    shown = await scene.ask_and_wait(approvers=FINANCE)
    await leave(scene)
    item = ToolUpdate("tool-approval-response", shown.toolCallId or "", approved=True)
    updated = await updating.update(scene.backend, DAN, Update("u1", scene.session, [item]), "test")
    assert [result.outcome for result in updated.results] == ["won"]


async def test_it_ends_by_itself_and_by_coming_back(scene: Scene) -> None:
    shown = await scene.ask_and_wait(approvers=FINANCE)
    await leave(scene, ms=60_000)
    await leaving.come_back(scene.backend, FAY)
    with pytest.raises(NotFound):
        await answer(scene, shown, by=DAN)
    await leave(scene, ms=60_000)
    assert (await leaving.absence(scene.backend, FAY)).deputy == "dan"
    keys, connection = scene.backend.door.keys, scene.backend.door.connection
    for partition in range(keys.partitions):
        await connection.execute("HINCRBY", keys.meta(partition), "clock_offset_ms", 61_000)
    assert await leaving.absence(scene.backend, FAY) == leaving.Absence(away=False)
    with pytest.raises(NotFound):
        await answer(scene, shown, by=DAN)
    assert (await inbox.inbox(scene.backend, DAN)).interrupts == []


async def test_a_deputy_is_no_second_voter(scene: Scene) -> None:
    shown = await scene.ask_and_wait(approvers=Approvers(("finance",), quorum=2), inputHash="h")
    await leave(scene)
    await leave(scene, replace(FAY, subject="finn"))
    first = await answer(scene, shown, by=DAN, ref="a1")
    again = await answer(scene, shown, by=DAN, ref="a2")  # for the other one who is away
    assert (first.outcome, again.outcome, again.vote) == ("recorded", "recorded", first.vote)
    own = await answer(scene, shown, by=FAY, ref="a3")  # her seat is taken
    assert (own.outcome, own.vote) == ("recorded", first.vote)
    assert (await answer(scene, shown, by=Principal("gus", ("finance",)))).outcome == "won"


async def test_what_the_deputy_asked_for_stays_out_of_reach(scene: Scene) -> None:
    shown = await scene.ask_and_wait(approvers=Approvers(("finance",), not_requester=True))
    await leave(scene, deputy="alice")
    with pytest.raises(Forbidden):
        await answer(scene, shown, by=ALICE)


@pytest.mark.parametrize(
    ("who", "refused"),
    [(Principal("fay", can=("read",)), Forbidden), (Principal("fay", actor="bot"), Forbidden)],
)
async def test_who_may_not_lend(scene: Scene, who: Any, refused: type[Exception]) -> None:
    with pytest.raises(refused):
        await leave(scene, who)
    with pytest.raises(BadInput):
        await leave(scene, deputy="fay")


async def test_a_deputy_claims_and_tells_how_far_a_tool_is(scene: Scene) -> None:
    shown = await scene.ask_and_wait(approvers=FINANCE)
    frame = Claim("c1", scene.session, shown.id)
    with pytest.raises(NotFound):
        await claiming.claim(scene.backend, DAN, frame, "test")
    await leave(scene)
    await claiming.claim(scene.backend, DAN, frame, "test")
    claimed = (await reading.interrupt(scene.backend, DAN, shown.id)).interrupt["claim"]
    assert claimed["by"] == {"kind": "person", "id": "dan", "name": "Dan", "deputyFor": "fay"}
    with pytest.raises(Conflict):
        await claiming.claim(scene.backend, FAY, Claim("c2", scene.session, shown.id), "test")
    with pytest.raises(BadInput):  # it got so far: only a client tool has a progress
        await claiming.progress(scene.backend, DAN, Progress("p1", scene.session, shown.id, 0.5), "test")
    await leaving.come_back(scene.backend, FAY)
    with pytest.raises(NotFound):
        await claiming.claim(scene.backend, DAN, Claim("c3", scene.session, shown.id, 0), "test")


async def test_a_deputy_sees_the_gate_and_that_it_is_theirs(scene: Scene) -> None:
    asked = await gating.request(scene.backend, ALICE, Gate("g1", "deploy", "deploy", approvers=FINANCE), "test")
    own_id = asked.gate.interrupt.id
    with pytest.raises(NotFound):
        await gating.read(scene.backend, DAN, own_id)
    await leave(scene)
    assert (await gating.read(scene.backend, DAN, own_id)).canAnswer
    answer_frame = Answer("a1", asked.gate.session, own_id, "resolved", {"approved": True})
    assert (await answering.answer(scene.backend, DAN, answer_frame, "test")).outcome == "won"
    assert not (await gating.read(scene.backend, DAN, own_id)).canAnswer
    assert (await gating.request(scene.backend, ALICE, Gate("g2", "deploy", "deploy", approvers=FINANCE), "test")).gate


async def test_a_link_for_a_deputy(scene: Scene) -> None:
    shown = await scene.ask_and_wait(approvers=Approvers(("finance",), quorum=2), inputHash="h")
    minter, linked = replace(ALICE, can=("mint", "read")), replace(DAN, sessions=(scene.session,), can=("answer",))
    with pytest.raises(Forbidden):
        await linking.check_may_link(scene.backend, minter, linked, shown.id)
    await leave(scene)
    assert await linking.check_may_link(scene.backend, minter, linked, shown.id) == shown
    assert (await linking.asked(scene.backend, linked, shown.id)).entitled
    assert (await answer(scene, shown, by=linked)).outcome == "recorded"
    assert (await linking.asked(scene.backend, linked, shown.id)).entitled  # so the page says what was answered
    assert not (await reading.interrupt(scene.backend, linked, shown.id)).canAnswer


async def test_who_said_so_and_who_stands_in_is_in_the_trail(scene: Scene) -> None:
    absence = await leave(scene)
    await leaving.come_back(scene.backend, FAY)
    await leaving.come_back(scene.backend, FAY)  # she was there: nothing to tell
    with pytest.raises(BadInput):
        await leave(scene, deputy="fay")
    admin = Principal("root", sessions=("*",), can=("admin",))
    entries = (await auditing.page(scene.backend, admin, auditing.Wanted(by="fay"))).entries
    assert [(one.action, one.to, one.until, one.via) for one in entries] == [
        ("person.back", (), None, "rest"),
        ("person.away", ("dan",), absence.until, "rest"),
    ]
