"""What a device asks for: once, however often it is said, and what is refused is raised."""

from __future__ import annotations

import asyncio

import pytest
from tests.client.scripted_server import Peer, scripted
from tests.client.told import DECISION, INTERRUPT, attached, connect
from tests.waiting import wait_until

from holdfast.client import ToolUpdate
from holdfast.core.errors import (
    BadInput,
    HoldfastError,
    RefReused,
    TooLarge,
)


async def test_a_command_without_an_answer_is_repeated_under_its_ref() -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        send = await peer.expect("send")
        if peer.number == 1:
            return  # gone, and nobody knows whether it was done
        await peer.say({"type": "ok", "ref": send["ref"], "session": "s", "epoch": "e1", "seq": 4, "turn": "t_1.s"})
        await peer.until_gone()

    async with scripted(script) as server, connect(server) as device:
        sent = await device.session("s").send("hello")
        assert sent.turn == "t_1.s"
        first, second = (frame for frame in server.received if frame["type"] == "send")
        assert first == second


async def test_what_cannot_be_done_now_is_repeated_and_what_cannot_be_done_is_raised() -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        first = await peer.expect("answer")
        await peer.say({"type": "error", "ref": first["ref"], "code": "busy", "message": "Busy.", "retry": True})
        assert await peer.expect("answer") == first
        details = {"kind": "approval"}
        refusal = {
            "type": "error",
            "code": "bad_input",
            "message": "payload: no",
            "retry": False,
            "details": details,
        }
        await peer.say(refusal | {"ref": first["ref"]})
        unknown = await peer.expect("cancel")
        later = {"type": "error", "code": "of_a_later_version", "message": "Hm.", "retry": False}
        await peer.say(later | {"ref": unknown["ref"]})
        await peer.until_gone()

    async with scripted(script) as server, connect(server) as device:
        with pytest.raises(BadInput, match="payload: no") as caught:
            await device.session("s").answer("i_1.s", payload={"approved": "true"})
        assert caught.value.details == {"kind": "approval"}
        with pytest.raises(HoldfastError, match="Hm") as unknown:
            await device.session("s").cancel()
        assert (unknown.value.code, unknown.value.retry) == ("of_a_later_version", False)


async def test_losing_is_a_result() -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        deny = await peer.expect("answer")
        assert deny["payload"] == {"approved": False, "reason": "too much"}
        await peer.say(
            {
                "type": "answered",
                "ref": deny["ref"],
                "outcome": "lost",
                "interrupt": "i_1.s",
                "decision": DECISION,
            }
        )
        approve = await peer.expect("answer")
        assert approve["payload"] == {"approved": True, "input": None}
        await peer.say({"type": "answered", "ref": approve["ref"], "outcome": "lost", "decision": DECISION})
        update = await peer.expect("update")
        assert update["updates"] == [{"type": "tool-output-available", "toolCallId": "call_1", "output": None}]
        results = [{"toolCallId": "call_1", "error": {"code": "forged_output", "message": "No.", "retry": False}}]
        await peer.say({"type": "updated", "ref": update["ref"], "results": results})
        await peer.until_gone()

    async with scripted(script) as server, connect(server) as device:
        session = device.session("s")
        answered = await session.deny("i_1.s", reason="too much")
        assert answered.outcome == "lost"
        assert answered.decision is not None
        assert answered.decision.by.id == "bob"
        await session.approve("i_1.s", input=None)
        [result] = await session.update(ToolUpdate("tool-output-available", "call_1", output=None))
        assert result.error is not None
        assert result.error["code"] == "forged_output"


async def test_the_question_just_answered_is_not_taken_for_the_next_one() -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.say(attached(await peer.expect("attach"), 1))
        await peer.event(2, {"type": "interrupt.opened", "interrupt": INTERRUPT})
        answer = await peer.expect("answer")
        # The answer is told before the event that closes the card, and the next question is asked.
        await peer.say(
            {
                "type": "answered",
                "ref": answer["ref"],
                "outcome": "won",
                "interrupt": "i_1.s",
                "decision": DECISION,
            }
        )
        await peer.expect("ping_of_the_test")
        await peer.event(3, {"type": "interrupt.opened", "interrupt": INTERRUPT | {"id": "i_2.s"}})
        await peer.event(4, {"type": "interrupt.closed", "interrupt": "i_1.s", "decision": DECISION})
        await peer.until_gone()

    async with scripted(script) as server, connect(server) as device:
        session = device.session("s")
        await session.attach()
        asked = await session.wait_interrupt(tool="refund")
        await session.approve(asked.id)
        following = asyncio.create_task(session.wait_interrupt())
        device._link.send(b'{"type":"ping_of_the_test"}')
        assert (await following).id == "i_2.s"


async def test_the_turn_that_was_caused_here_is_the_one_that_is_waited_for() -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        start = await peer.expect("start")
        assert start["agent"] == "support"
        assert "input" not in start
        await peer.say({"type": "ok", "ref": start["ref"], "session": "s", "epoch": "e1", "seq": 3, "turn": "t_2.s"})
        await peer.say(attached(await peer.expect("attach"), 3))
        for seq, turn in ((4, "t_1.s"), (6, "t_2.s")):
            await peer.event(seq, {"type": "turn.started", "turn": turn, "agent": "support"})
            await peer.event(seq + 1, {"type": "turn.finished", "turn": turn, "status": "completed", "result": turn})
        await peer.until_gone()

    async with scripted(script) as server, connect(server) as device:
        session = await device.start("support", "Refund A-17")
        assert (await session.wait_finished()).result == "t_2.s"
        assert (await session.wait_finished("t_1.s")).result == "t_1.s"
        assert device.session("s") is session


async def test_one_ref_is_one_command() -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        send = await peer.expect("send")
        await peer.expect("ping_of_the_test")
        await peer.say({"type": "ok", "ref": send["ref"], "turn": "t"})
        await peer.until_gone()

    async with scripted(script) as server, connect(server) as device:
        session = device.session("s")
        both = [asyncio.create_task(session.send("hello", ref="r")) for _ in range(2)]
        await wait_until(lambda: len(server.received) == 2, "the command arrived")
        with pytest.raises(RefReused):
            await session.send("something else", ref="r")
        device._link.send(b'{"type":"ping_of_the_test"}')
        assert [reply.turn for reply in await asyncio.gather(*both)] == ["t", "t"]
        assert len([frame for frame in server.received if frame["type"] == "send"]) == 1


async def test_too_much_is_refused_before_it_costs_the_connection() -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.until_gone()

    async with scripted(script) as server, connect(server) as device:
        with pytest.raises(TooLarge):
            await device.session("s").send("x" * 300_000)
        assert device.connection == "connected"
