"""The device in Python and its commands, against real servers, workers and a store."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from tests.acceptance.cluster import Cluster
from tests.waiting import wait_until

from holdfast import client
from holdfast.client import AnswerItem, Client, Position, Renewed, Seen, ToolUpdate
from holdfast.client.reconnecting import Waits
from holdfast.core.errors import BadInput, Conflict, NotFound, Unauthenticated, UnknownAgent
from holdfast.core.events import TurnFinished, TurnResumed
from holdfast.core.folding import dump


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with Cluster(tmp_path) as running:
        async with device(running) as first:
            await _served(first)
        yield running


def device(running: Cluster, subject: str = "alice", **options: object) -> Client:
    given = {"token": running.token(subject), "waits": Waits(0.05, 0.2), **options}
    return client.connect(f"http://127.0.0.1:{running.ports[0]}", **given)  # type: ignore[arg-type]


async def _served(first: Client) -> None:
    """Return when a worker has registered its agents."""

    async def known() -> bool:
        try:
            await first.start("asks", attach=False)
        except UnknownAgent:
            return False
        return True

    await wait_until(known, "a worker serves its agents", 20)


async def test_two_devices_one_decision_and_everybody_has_the_same(cluster: Cluster) -> None:
    async with device(cluster) as alice, device(cluster, "bob", device="Bob’s phone") as bob:
        hers = await alice.start("refunds", "Refund A-17")
        his = bob.session(hers.id)
        await his.attach()
        asked = await his.wait_interrupt(tool="refund")
        assert asked.input == {"order_id": "A-17", "amount": 200.0}
        assert [shown.id for shown in await bob.inbox()] == [asked.id]
        with pytest.raises(BadInput):
            await his.answer(asked.id, payload={"approved": "true"})
        await wait_until(lambda: len(hers.devices) == 2, "each sees the other")
        answers = await asyncio.gather(his.approve(asked.id, reason="fine"), hers.deny(asked.id))
        assert sorted(answer.outcome for answer in answers) == ["lost", "won"]
        assert answers[0].decision == answers[1].decision
        finished = [await hers.wait_finished(), await his.wait_finished(asked.turn)]
        assert finished[0].result == finished[1].result
        assert await bob.inbox() == []
        assert len([line for line in cluster.ran(asked.turn) if line[0] == "refund"]) == (
            1 if finished[0].result == "done" else 0
        )
        late = await his.approve(asked.id)
        assert (late.outcome, late.decision) == ("lost", answers[0].decision)


async def test_who_has_seen_what_another_voter_changed_agrees_to_that(cluster: Cluster) -> None:
    async with device(cluster) as alice, device(cluster, "bob") as bob:
        hers = await alice.start("pays", "Pay 200")
        asked = await hers.wait_interrupt(tool="pay")
        his = bob.session(hers.id)
        assert (await his.approve(asked.id, input={"amount": 150.0})).outcome == "recorded"
        await wait_until(lambda: "edited" in hers.state.interrupts[asked.id], "she sees what he changed")
        assert (await hers.approve(asked.id, metadata={"ticket": 7})).outcome == "won"
        assert (await hers.wait_finished()).result == ["paid 150.0", {"ticket": 7}]


async def test_a_yes_is_for_what_was_shown_and_for_nothing_that_came_in_its_place(cluster: Cluster) -> None:
    async with device(cluster) as alice, device(cluster, "bob") as bob:
        hers = await alice.start("pays", "Pay 200")
        asked = await hers.wait_interrupt(tool="pay")
        await hers.detach()
        his = bob.session(hers.id)
        assert (await his.approve(asked.id, input={"amount": 150.0})).outcome == "recorded"
        with pytest.raises(Conflict, match="look again"):
            await hers.approve(asked.id)


async def test_said_again_beside_it_and_switched_back(cluster: Cluster) -> None:
    async with device(cluster) as alice, device(cluster, "olga", token=cluster.token("olga", ("operator",))) as olga:
        session = await alice.start("asks", "go")
        first = (await session.wait_interrupt()).turn
        message = next(placed.message.id for placed in session.state.ordered if placed.message.role == "user")
        said = await session.send("go on", replaces=message)
        assert said.turn is not None
        info = await session.wait_for(lambda state: state.session if state.session and state.session.branches else None)
        assert [(own.id, own.before) for own in info.branches] == [(said.turn, first)]
        with pytest.raises(Conflict):
            await session.switch("")
        await session.wait_interrupt(turn=said.turn)
        await session.cancel()
        await session.wait_finished(said.turn)
        await session.switch("")
        await session.wait_for(lambda state: (state.session is not None and state.session.branch == "") or None)
        hers = olga.session(session.id)
        await hers.takeover()
        await session.wait_for(lambda state: (state.session is not None and state.session.takeover) or None)
        await hers.handback(answered=True)


async def test_people_claim_and_answer_many_and_operators_withdraw(cluster: Cluster) -> None:
    operator = cluster.token("olga", roles=("operator",))
    async with device(cluster) as alice, device(cluster, "bob") as bob, device(cluster, token=operator) as olga:
        sessions = [await alice.start("asks", "go") for _ in range(3)]
        first, second, third = [(await session.wait_interrupt()).id for session in sessions]
        await sessions[0].claim(first, for_ms=60_000)
        await sessions[0].wait_for(lambda state: state.interrupts[first].get("claim"))
        with pytest.raises(Conflict) as caught:
            await bob.session(sessions[0].id).claim(first)
        assert caught.value.details["claim"]["by"]["id"] == "alice"
        withdrawn = await olga.session(sessions[2].id).withdraw(third, reason="wrong order")
        assert withdrawn.decision is not None
        assert (withdrawn.outcome, withdrawn.decision.status) == ("won", "withdrawn")
        items = [
            AnswerItem(sessions[0].id, first, "resolved", {"approved": True}),
            AnswerItem(sessions[1].id, second, "resolved", {"approved": "true"}),
            AnswerItem(sessions[2].id, third, "resolved", {"approved": True}),
        ]
        results = await alice.answer_many(items)
        assert [result.outcome or result.error["code"] for result in results if result.outcome or result.error] == [
            "won",
            "bad_input",
            "lost",
        ]


async def test_a_server_that_is_killed_costs_nothing(cluster: Cluster) -> None:
    async with device(cluster) as alice:
        session = await alice.start("asks", "go")
        events = session.events()
        asked = await session.wait_interrupt()
        [server] = cluster.servers
        server.kill()
        await wait_until(lambda: alice.connection != "connected", "the loss is noticed")
        answering = asyncio.create_task(session.approve(asked.id))
        await cluster.start_server(cluster.ports[0])
        assert (await answering).outcome == "won"
        assert (await session.wait_finished()).result == "done"
        kinds: list[type] = []
        while TurnFinished not in kinds:
            news = await anext(events)
            assert isinstance(news, Seen)  # no snapshot was needed
            kinds.append(type(news.event))
        assert kinds.count(TurnResumed) == 1


async def test_who_waits_for_a_question_that_never_comes_is_told(cluster: Cluster) -> None:
    async with device(cluster) as alice:
        session = await alice.start("raises", "go")
        with pytest.raises(Conflict, match="failed"):
            await session.wait_interrupt()


async def test_the_same_past_by_snapshot_by_replay_and_by_pages(cluster: Cluster) -> None:
    async with device(cluster) as alice, device(cluster) as other, device(cluster) as third:
        session = await alice.start("streams", "300")
        await session.wait_finished()
        for text in ("3", "2"):
            await session.send(text)
            await session.wait_finished()
        replayed, paged = other.session(session.id), third.session(session.id)
        news = replayed.events()
        await replayed.attach(since=Position("", 0))
        await replayed.wait_for(lambda state: True if state.seq == session.state.seq else None)
        assert not isinstance(await anext(news), Renewed)
        await paged.attach(limit=1)
        assert paged.has_older
        while await paged.history(limit=1):
            pass
        assert [placed.message.text for placed in paged.state.ordered] == [
            placed.message.text for placed in replayed.state.ordered
        ]
        assert dump(replayed.state) == dump(session.state)


async def test_a_device_runs_its_tool(cluster: Cluster) -> None:
    async with device(cluster) as alice:
        session = await alice.start("finds", "go")
        asked = await session.wait_interrupt(kind="client_tool")
        update = ToolUpdate("tool-output-available", asked.toolCallId or "", output="here")
        [result] = await session.update(update)
        assert result.outcome == "won"
        assert (await session.wait_finished()).result == "here"


async def test_strangers(cluster: Cluster) -> None:
    eve = cluster.token("eve", sessions=["mine"])
    async with device(cluster) as alice, device(cluster, token=eve) as stranger:
        session = await alice.start("asks", "go")
        asked = await session.wait_interrupt()
        hers = stranger.session(session.id)
        with pytest.raises(NotFound):
            await hers.attach()
        with pytest.raises(NotFound):
            await hers.approve(asked.id)
        assert await stranger.inbox() == []
    with pytest.raises(Unauthenticated):
        async with device(cluster, token="nonsense"):
            pass


async def test_the_commands(cluster: Cluster) -> None:
    async with device(cluster) as alice:
        session = await alice.start("asks", "Refund, please.")
        asked = await session.wait_interrupt()
        code, said = await command(cluster, "inbox")
        assert code == 0
        assert asked.id in said
        assert '"amount":200.0' in said
        code, said = await command(cluster, "inbox", "--json")
        assert msgspec.json.decode(said.splitlines()[0])["id"] == asked.id
        code, said = await command(cluster, "approve", asked.id, "--reason", "fine")
        assert (code, "approved by alice: fine" in said) == (0, True)
        code, said = await command(cluster, "deny", asked.id)
        assert (code, "Too late" in said, "approved by alice" in said) == (3, True, True)
        code, said = await command(cluster, "answer", asked.id, '{"approved": "true"}', "--json")
        assert (code, msgspec.json.decode(said)["outcome"]) == (3, "lost")
        code, said = await command(cluster, "approve", "i_nonsense.s_nonsense")
        assert (code, "(not_found)" in said) == (1, True)
        code, said = await command(cluster, "answer", asked.id, "{nonsense")
        assert (code, "is not JSON" in said) == (2, True)
        await session.wait_finished()
        code, said = await command(cluster, "tail", session.id, "--until-idle")
        assert (code, "alice: Refund, please." in said) == (0, True)
        code, said = await command(cluster, "tail", session.id, "--since", "0", "--until-idle", "--json")
        lines = [msgspec.json.decode(line) for line in said.splitlines()]
        assert [line["event"]["type"] for line in lines][:2] == ["session.created", "message"]
        assert lines[-1]["event"]["type"] == "turn.finished"


async def test_a_command_without_a_token_says_what_is_missing(cluster: Cluster) -> None:
    code, said = await command(cluster, "inbox", token="")
    assert (code, "HOLDFAST_TOKEN" in said) == (1, True), said
    code, said = await command(cluster, "inbox", token="nonsense")
    assert (code, "HOLDFAST_TOKEN" in said) == (1, False), said


async def command(cluster: Cluster, *words: str, token: str | None = None) -> tuple[int, str]:
    """One command as a process, Alice's if it is nobody else's: its exit code, and all that it said."""
    url = f"http://127.0.0.1:{cluster.ports[0]}"
    given = cluster.token("alice") if token is None else token
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "holdfast", *words, "--url", url, "--token", given,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


async def test_a_run_is_started_waited_for_and_told_with_what_was_decided(cluster: Cluster) -> None:
    async with device(cluster) as alice, device(cluster, "bob") as bob:
        running = asyncio.create_task(alice.run("refunds", "Refund A-17", id="ran"))
        his = bob.session("ran")

        async def attached() -> bool:
            try:
                await his.attach()
            except NotFound:
                return False
            return True

        await wait_until(attached, "the session is there", 20)
        asked = await his.wait_interrupt(tool="refund")
        await his.deny(asked.id, reason="too much")
        ran = await running
        assert (ran.ok, ran.session) == (True, "ran")
        [told] = ran.trace.approvals
        assert (told.tool, told.decision, told.decided_by.id, told.args) == ("refund", "denied", "bob", asked.input)
        assert told.latency_ms is not None
        with pytest.raises(ValueError, match="message or an input"):
            await alice.run("refunds")
