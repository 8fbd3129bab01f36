"""Asking for a gate: once for each id, whoever asks how often; and everything else is that of any interrupt."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from tests.commands.scene import ALICE, BOB, STRANGER, Scene

from holdfast.commands import answering, cancelling, deleting, gating, inbox, reading
from holdfast.commands.backend import Backend
from holdfast.core.errors import BadInput, BadRequest, Forbidden, GateReused, Gone, NotFound, RefReused
from holdfast.core.identity import Principal
from holdfast.core.interrupts import Approvers
from holdfast.core.ladders import HandOverText, RemindText
from holdfast.protocol.frames import Answer, Answered, Cancel, Gate, Gated, GateShown
from holdfast.runtime.sweeper import Sweeper

OPS = Approvers(roles=("ops",))
OLGA, OTTO = Principal("olga", ("ops",)), Principal("otto", ("ops",))


async def ask(backend: Backend, by: Principal = ALICE, ref: str = "g1", gate: str = "deploy-42", **more: Any) -> Gated:
    given = {"name": "deploy", "payload": {"to": "prod"}, "approvers": OPS} | more
    return await gating.request(backend, by, Gate(ref, gate, **given), "test")


async def decide(
    backend: Backend, shown: GateShown, by: Principal = OLGA, ref: str = "a1", *, approved: bool = True
) -> Answered:
    frame = Answer(ref, shown.session, shown.interrupt.id, "resolved", {"approved": approved})
    return await answering.answer(backend, by, frame, "test")


async def test_asked_again_it_is_the_same_gate(backend: Backend) -> None:
    first = await ask(backend)
    again = await ask(backend, ref="g2")
    repeated = await ask(backend)
    assert (first.created, again.created, repeated.created) == (True, False, False)
    assert first.gate.interrupt == again.gate.interrupt == repeated.gate.interrupt
    assert [shown.id for shown in (await inbox.inbox(backend, OLGA)).interrupts] == [first.gate.interrupt.id]


async def test_twenty_at_once_open_one(backend: Backend) -> None:
    asked = await asyncio.gather(*(ask(backend, ref=f"g{number}") for number in range(20)))
    assert sum(one.created for one in asked) == 1
    assert len({one.gate.interrupt.id for one in asked}) == 1


async def test_another_payload_is_another_gate(backend: Backend) -> None:
    first = await ask(backend)
    with pytest.raises(GateReused):
        await ask(backend, ref="g2", payload={"to": "moon"})
    with pytest.raises(RefReused):
        await ask(backend, payload={"to": "moon"})
    await decide(backend, first.gate)
    with pytest.raises(GateReused):  # also once there is a yes to the old one
        await ask(backend, ref="g2", payload={"to": "moon"})


async def test_two_deciders_one_decision(backend: Backend) -> None:
    shown = (await ask(backend)).gate
    both = await asyncio.gather(decide(backend, shown), decide(backend, shown, OTTO, approved=False))
    assert sorted(one.outcome for one in both) == ["lost", "won"]
    assert both[0].decision == both[1].decision
    after = await gating.read(backend, ALICE, "deploy-42")
    assert (after.status, after.decision) == ("resolved", both[0].decision)
    asked = await ask(backend, ref="later")
    assert asked.gate.decision == both[0].decision
    turn = await reading.turn(backend, ALICE, shown.interrupt.turn)
    assert (turn.status, turn.result["by"]["id"]) == ("finished", both[0].decision.by.id if both[0].decision else "")


async def test_its_turn_and_its_end_are_seen(backend: Backend) -> None:
    shown = (await ask(backend)).gate
    await decide(backend, shown)
    scene = Scene(backend, shown.session)
    assert [event["type"] for event in map(_decoded, await scene.log())] == [
        "session.created",
        "turn.started",
        "interrupt.opened",
        "turn.waiting",
        "interrupt.closed",
        "turn.finished",
    ]
    view = await backend.door.read(shown.session)
    assert view.session is not None
    assert view.session.gates == ()


async def test_a_gate_in_a_session_does_not_touch_what_runs_there(scene: Scene) -> None:
    backend = scene.backend
    asked = await scene.ask_and_wait()
    shown = (await ask(backend, session=scene.session)).gate
    assert (await decide(backend, shown)).outcome == "won"
    turn = await scene.turn()
    assert (turn.status, turn.open) == ("waiting", (asked.id,))
    view = await backend.door.read(scene.session)
    assert view.session is not None
    assert (view.session.active, view.session.gates) == (scene.turn_id, ())
    assert (await gating.read(backend, ALICE, "deploy-42", scene.session)).status == "resolved"
    with pytest.raises(NotFound):
        await gating.read(backend, ALICE, "deploy-42")


async def test_it_is_open_until_an_instant(backend: Backend) -> None:
    shown = (await ask(backend, expires="2100-01-01T00:00:00Z")).gate
    assert shown.interrupt.expiresAt == 4_102_444_800_000


async def test_it_expires_by_itself(backend: Backend) -> None:
    shown = (await ask(backend, expires="2 hours")).gate
    await Scene(backend, shown.session).advance(2 * 3_600_000 + 1)
    await Sweeper(backend).sweep()
    after = await gating.read(backend, ALICE, "deploy-42")
    assert (after.status, after.decision.by.kind if after.decision else "") == ("expired", "deadline")
    assert (await reading.turn(backend, ALICE, shown.interrupt.turn)).status == "finished"


async def test_a_ladder_is_climbed_while_nobody_decides(backend: Backend) -> None:
    ladder = [RemindText("10 min"), HandOverText("1 h", "role:boss")]
    shown = (await ask(backend, escalate=ladder)).gate
    boss = Principal("bea", ("boss",))
    assert (await inbox.inbox(backend, boss)).interrupts == []
    await Scene(backend, shown.session).advance(3_600_001)
    for _ in range(2):
        await Sweeper(backend).sweep()
    assert [one.id for one in (await inbox.inbox(backend, boss)).interrupts] == [shown.interrupt.id]
    again = await ask(backend, ref="g2", escalate=ladder)  # others are asked by now; it is still the same gate
    assert (again.created, again.gate.interrupt.id) == (False, shown.interrupt.id)
    assert (await decide(backend, shown, boss)).outcome == "won"


async def test_when_its_time_is_up_the_next_are_asked_and_operators_last(backend: Backend) -> None:
    ladder = [RemindText("10 min"), HandOverText("2 h", "role:boss")]
    shown = (await ask(backend, expires="1 h", on_expiry="escalate", escalate=ladder)).gate
    scene, own_id = Scene(backend, shown.session), shown.interrupt.id
    boss, operator = Principal("bea", ("boss",)), Principal("opal", ("operator",))
    for asked, others in ((boss, operator), (operator, STRANGER)):
        await scene.advance(3_600_001)
        await Sweeper(backend).sweep()
        assert [one.id for one in (await inbox.inbox(backend, asked)).interrupts] == [own_id]
        assert (await inbox.inbox(backend, others)).interrupts == []
    late = await gating.read(backend, ALICE, "deploy-42")
    assert [(done.action, done.why) for done in late.interrupt.escalations] == [
        ("remind", "time"),
        ("hand_over", "expiry"),
        ("hand_over", "expiry"),
    ]
    await scene.advance(3_600_001)
    await Sweeper(backend).sweep()
    over = await gating.read(backend, ALICE, "deploy-42")
    assert (over.status, over.decision.status if over.decision else "") == ("expired", "expired")
    assert (await reading.turn(backend, ALICE, shown.interrupt.turn)).status == "finished"


async def test_cancelled_it_is_no_yes(backend: Backend) -> None:
    shown = (await ask(backend)).gate
    await cancelling.cancel(backend, ALICE, Cancel("c1", shown.session, shown.interrupt.turn), "test")
    late = await decide(backend, shown)
    assert (late.outcome, late.decision.status if late.decision else "") == ("lost", "cancelled")
    view = await backend.door.read(shown.session)
    assert view.session is not None
    assert view.session.gates == ()
    assert (await inbox.inbox(backend, OLGA)).interrupts == []


async def test_deleted_with_its_session(scene: Scene) -> None:
    await scene.ask_and_wait()
    for number in range(3):
        await ask(scene.backend, session=scene.session, gate=f"g-{number}", ref=f"g{number}", expires="1 h")
    await deleting.delete(scene.backend, ALICE, scene.session, "d1", "test")
    assert (await inbox.inbox(scene.backend, OLGA)).interrupts == []
    keys, connection = scene.backend.door.keys, scene.backend.door.connection
    deadlines = await connection.execute("ZRANGE", keys.deadlines(keys.partition(scene.session)), 0, -1)
    assert deadlines == [b"erase " + scene.session.encode()]
    with pytest.raises(Gone):
        await ask(scene.backend, session=scene.session, gate="g-0", ref="again")


async def test_two_people_have_two_gates_of_one_name(backend: Backend) -> None:
    hers, his = (await ask(backend)).gate, (await ask(backend, BOB, payload="other")).gate
    assert hers.interrupt.id != his.interrupt.id
    for own_id in (hers.interrupt.id, "deploy-42"):
        assert (await gating.read(backend, ALICE, own_id)).interrupt == hers.interrupt
    assert (await gating.read(backend, OLGA, hers.interrupt.id)).canAnswer
    with pytest.raises(NotFound):
        await gating.read(backend, STRANGER, hers.interrupt.id)
    with pytest.raises(NotFound):
        await gating.read(backend, STRANGER, "deploy-42")


async def test_who_may_not_is_refused(scene: Scene) -> None:
    with pytest.raises(NotFound):
        await ask(scene.backend, STRANGER, session=scene.session)
    with pytest.raises(NotFound):
        await ask(scene.backend, session="s_nowhere")
    reader = Principal("alice", can=("read",))
    for session in (None, scene.session):
        with pytest.raises(Forbidden):
            await ask(scene.backend, reader, session=session)
    shown = (await ask(scene.backend)).gate
    with pytest.raises(Forbidden):
        await decide(scene.backend, shown, ALICE)


async def test_who_may_only_ask_is_told_how_it_stands_by_asking(backend: Backend) -> None:
    script = Principal("ci", can=("send",))
    shown = (await ask(backend, script)).gate
    won = await decide(backend, shown)
    assert (await ask(backend, script, ref="g2")).gate.decision == won.decision
    with pytest.raises(Forbidden):
        await gating.read(backend, script, "deploy-42")


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"gate": "a.b"}, BadRequest),
        ({"gate": ""}, BadRequest),
        ({"name": ""}, BadInput),
        ({"name": "x" * 201}, BadInput),
        ({"message": "x" * 4_001}, BadInput),
        ({"payload": "x" * 128 * 1024}, BadInput),
        ({"payload": {"n": 2**53}}, BadInput),
        ({"metadata": {"x": "x" * 16 * 1024}}, BadInput),
        ({"expires": "soon"}, BadInput),
        ({"expires": "0 s"}, BadInput),
        ({"expires": "2026-03-01T12:00:00"}, BadInput),
        ({"escalate": [RemindText("soon")]}, BadInput),
        ({"escalate": [RemindText("2 h"), RemindText("1 h")]}, BadInput),
    ],
    ids=str,
)
async def test_what_cannot_be_asked(backend: Backend, more: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        await ask(backend, **more)
    assert (await inbox.inbox(backend, OLGA)).interrupts == []


def _decoded(row: tuple[int, bytes]) -> dict[str, Any]:
    return msgspec.json.decode(row[1])
