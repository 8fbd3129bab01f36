"""Votes on the real store: counted once each, durable, and one of them decides (promises 1, 3, 4)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.commands.scene import ALICE, Scene
from tests.commands.test_answering import answer
from tests.commands.test_withdrawing import withdraw

from holdfast.commands import inbox, reading
from holdfast.core import interrupts
from holdfast.core.errors import BadInput, Conflict, Forbidden
from holdfast.core.identity import Principal
from holdfast.core.interrupts import Approvers, Interrupt
from holdfast.protocol.frames import Answered

NO = {"approved": False}


def manager(name: str) -> Principal:
    return Principal(name, roles=("manager",))


async def ask(scene: Scene, quorum: int = 2, conflict: interrupts.Conflict = "veto", **more: Any) -> Interrupt:
    approvers = Approvers(("manager",), quorum=quorum, conflict=conflict)
    return await scene.ask_and_wait(approvers=approvers, inputHash="h", **more)


async def test_two_people_decide_and_everybody_sees_the_tally(scene: Scene) -> None:
    shown = await ask(scene)
    first = await answer(scene, shown, by=manager("ann"))
    assert (first.outcome, first.decision) == ("recorded", None)
    assert first.vote is not None
    assert first.vote.by.id == "ann"
    assert (await scene.turn()).status == "waiting"
    second = await answer(scene, shown, by=manager("ben"))
    assert second.outcome == "won"
    assert second.decision is not None
    assert second.decision.by.id == "ben"
    tallies = [event["changes"]["votes"] for event in await scene.events("interrupt.updated")]
    assert [[vote["by"]["id"] for vote in tally] for tally in tallies] == [["ann"], ["ann", "ben"]]
    state = await reading.folded(scene.backend, scene.session)
    assert len(state.interrupts[shown.id]["votes"]) == 2
    assert len(await scene.events("turn.resumed")) == 1


async def test_twenty_people_at_once_and_a_quorum_of_three(scene: Scene) -> None:
    shown = await ask(scene, 3)
    replies = await asyncio.gather(*(answer(scene, shown, by=manager(f"p{n}"), ref=f"a{n}") for n in range(20)))
    assert sorted(reply.outcome for reply in replies) == ["lost"] * 17 + ["recorded"] * 2 + ["won"]
    assert len({repr(reply.decision) for reply in replies if reply.decision}) == 1
    assert len(await scene.events("interrupt.updated")) == 3
    assert len(await scene.events("interrupt.closed")) == 1
    assert len(await scene.events("turn.resumed")) == 1
    assert scene.backend.door.conflicts > 0


async def test_one_person_on_twenty_devices_is_one_person(scene: Scene) -> None:
    shown = await ask(scene)
    replies = await asyncio.gather(*(answer(scene, shown, by=manager("ann"), ref=f"a{n}") for n in range(20)))
    assert {reply.outcome for reply in replies} == {"recorded"}
    assert len({repr(reply.vote) for reply in replies}) == 1
    assert len(await scene.events("interrupt.updated")) == 1
    assert (await scene.turn()).status == "waiting"


async def test_yes_and_no_at_once_under_every_rule(scene: Scene) -> None:
    shown = await ask(scene, 3, "majority")
    said = [{"approved": n % 2 == 0} for n in range(10)]
    replies = await asyncio.gather(
        *(answer(scene, shown, said[n], by=manager(f"p{n}"), ref=f"a{n}") for n in range(10))
    )
    assert sum(reply.outcome != "lost" for reply in replies) == 3
    decision = next(reply.decision for reply in replies if reply.decision)
    assert all(reply.decision in (None, decision) for reply in replies)
    tally = (await scene.events("interrupt.updated"))[-1]["changes"]["votes"]
    assert decision.payload["approved"] is (sum(vote["approved"] for vote in tally) >= 2)
    assert len(await scene.events("turn.resumed")) == 1


async def test_a_repeated_ref_repeats_the_reply_also_after_the_decision(scene: Scene) -> None:
    shown = await ask(scene)
    first = await answer(scene, shown, by=manager("ann"))
    await answer(scene, shown, by=manager("ben"))
    before = await scene.fingerprint()
    assert await answer(scene, shown, by=manager("ann")) == first
    late = await answer(scene, shown, by=manager("ann"), ref="a2")
    assert late.outcome == "lost"
    assert late.decision is not None
    assert await scene.fingerprint() == before


async def test_a_second_vote_meets_the_first(scene: Scene) -> None:
    shown = await ask(scene)
    first = await answer(scene, shown, by=manager("ann"))
    before = await scene.fingerprint()
    again = await answer(scene, shown, by=manager("ann"), ref="a2")
    assert (again.outcome, again.vote) == ("recorded", first.vote)
    with pytest.raises(Conflict):
        await answer(scene, shown, NO, by=manager("ann"), ref="a3")
    assert await scene.fingerprint() == before


async def test_one_no_is_a_veto(scene: Scene) -> None:
    shown = await ask(scene, 3)
    await answer(scene, shown, by=manager("ann"))
    vetoed = await answer(scene, shown, {"approved": False, "reason": "too much"}, by=manager("ben"))
    assert vetoed.outcome == "won"
    assert (await answer(scene, shown, by=manager("cid"))).outcome == "lost"


async def test_rights_count_when_the_vote_is_given(scene: Scene) -> None:
    shown = await ask(scene)
    await answer(scene, shown, by=manager("ann"))  # who may lose the role now: the vote stands
    with pytest.raises(Forbidden):
        await answer(scene, shown, by=ALICE)
    assert (await answer(scene, shown, by=manager("ben"))).outcome == "won"


async def test_the_requester_is_left_out(scene: Scene) -> None:
    shown = await scene.ask_and_wait(approvers=Approvers(not_requester=True))
    with pytest.raises(Forbidden):
        await answer(scene, shown)
    everywhere = Principal("bob", sessions=("*",))
    assert [each.requester for each in (await inbox.inbox(scene.backend, everywhere)).interrupts] == ["alice"]
    assert (await inbox.inbox(scene.backend, ALICE)).interrupts == []
    assert (await answer(scene, shown, by=everywhere)).outcome == "won"


async def test_who_has_voted_finds_it_no_more_in_the_inbox(scene: Scene) -> None:
    shown = await ask(scene)
    assert len((await inbox.inbox(scene.backend, manager("ann"))).interrupts) == 1
    await answer(scene, shown, by=manager("ann"))
    assert (await inbox.inbox(scene.backend, manager("ann"))).interrupts == []
    [left] = (await inbox.inbox(scene.backend, manager("ben"))).interrupts
    assert [vote.by.id for vote in left.votes] == ["ann"]
    assert not (await reading.interrupt(scene.backend, manager("ann"), shown.id)).canAnswer


async def test_votes_and_a_withdrawal_at_once_end_in_one_decision(scene: Scene) -> None:
    shown = await ask(scene, 2)
    replies: list[Answered] = await asyncio.gather(
        *(answer(scene, shown, by=manager(f"p{n}"), ref=f"a{n}") for n in range(5)), withdraw(scene, shown)
    )
    assert len([reply for reply in replies if reply.outcome == "won"]) == 1
    assert len(await scene.events("interrupt.closed")) == 1


async def test_the_deadline_ends_an_unfinished_vote(scene: Scene) -> None:
    shown = await ask(scene, expires_in_ms=60_000)
    await answer(scene, shown, by=manager("ann"))
    await scene.advance(60_000)
    late = await answer(scene, shown, by=manager("ben"))
    assert late.decision is not None
    assert (late.outcome, late.decision.status) == ("lost", "expired")


async def test_a_quorum_is_for_yes_or_no(scene: Scene) -> None:
    with pytest.raises(BadInput, match="quorum"):
        await scene.ask("question", approvers=Approvers(("manager",), quorum=2))
