"""The device in Python against a server that is told what to say: losses, gaps, repeats, refusals."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.client.scripted_server import Peer, ScriptedServer, scripted
from tests.waiting import wait_until

from holdfast import client
from holdfast.client import Position, Renewed, Seen, ToolUpdate
from holdfast.client.reconnecting import Waits
from holdfast.core.errors import (
    BadInput,
    HoldfastError,
    NotFound,
    RefReused,
    TokenExpired,
    TooLarge,
    Unauthenticated,
    Unavailable,
)

SNAPSHOT: dict[str, Any] = {
    "session": None,
    "members": {},
    "messages": [],
    "places": {},
    "turns": {},
    "interrupts": {},
    "state": {},
    "more": False,
    "before": 1,
}
INTERRUPT = {
    "id": "i_1.s",
    "kind": "approval",
    "session": "s",
    "turn": "t_1.s",
    "reason": "tool_call",
    "toolName": "refund",
}
DECISION = {
    "status": "resolved",
    "payload": {"approved": True},
    "by": {"kind": "person", "id": "bob"},
    "via": "websocket",
    "at": 5,
    "ref": "r",
}


def progress(number: int) -> dict[str, Any]:
    return {"type": "turn.progress", "turn": "t_1.s", "progress": number}


def attached(frame: dict[str, Any], seq: int, mode: str = "snapshot", **fields: Any) -> dict[str, Any]:
    shown = {"snapshot": SNAPSHOT} if mode == "snapshot" else {}
    given = {
        "type": "attached",
        "ref": frame["ref"],
        "session": "s",
        "epoch": "e1",
        "seq": seq,
        "mode": mode,
        "head": seq,
    }
    return given | shown | fields


def connect(server: ScriptedServer, **options: Any) -> client.Client:
    return client.connect(server.url, **{"token": "t", "waits": Waits(0.01, 0.01), **options})


async def take(events: Any, count: int) -> list[Any]:
    return [await anext(events) for _ in range(count)]


# ---------------------------------------------------------------- getting in


async def test_hello_carries_the_token_and_the_name_of_the_device() -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.until_gone()

    async with scripted(script) as server, connect(server, device="Bob’s phone") as device:
        assert device.connection == "connected"
        assert device.welcome is not None
        assert device.welcome.connection == "c1"
    assert server.received == [{"type": "hello", "token": "t", "device": "Bob’s phone"}]
    assert device.connection == "closed"


async def test_a_refused_token_is_not_tried_again() -> None:
    async def script(peer: Peer) -> None:
        await peer.expect("hello")
        await peer.say(
            {"type": "error", "code": "unauthenticated", "message": "The signature is wrong.", "retry": False}
        )
        await peer.close(4500, "No token, or one that cannot be trusted.")

    async with scripted(script) as server:
        with pytest.raises(Unauthenticated, match="The signature is wrong"):
            async with connect(server):
                pass
        assert server.connections == 1


async def test_an_expired_token_is_replaced_where_there_is_a_fresh_one() -> None:
    tokens = iter(["old", "new"])

    async def script(peer: Peer) -> None:
        if (await peer.expect("hello"))["token"] == "old":
            await peer.close(4001, "The token has expired")
            return
        await peer.say({"type": "welcome", "connection": "c", "principal": {}, "limits": {}, "serverTime": 0})
        await peer.until_gone()

    async with scripted(script) as server, connect(server, token=lambda: next(tokens)) as device:
        assert device.connection == "connected"
        assert [hello["token"] for hello in server.received] == ["old", "new"]


async def test_an_expired_token_that_is_all_there_is_ends_it() -> None:
    async def script(peer: Peer) -> None:
        await peer.expect("hello")
        await peer.close(4001, "The token has expired")

    async with scripted(script) as server:
        with pytest.raises(TokenExpired):
            async with connect(server):
                pass


async def test_nobody_at_home_is_said_in_time_and_with_the_reason() -> None:
    with pytest.raises(Unavailable, match=r"No server let us in at http://127.0.0.1:1"):
        async with client.connect("http://127.0.0.1:1", token="t", open_timeout_s=0.1):
            pass


async def test_a_token_that_cannot_be_had_now_is_asked_for_again() -> None:
    calls = 0

    async def token() -> str:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise OSError("the issuer is away")
        return "t"

    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.until_gone()

    async with scripted(script) as server, connect(server, token=token):
        assert calls == 2


# ---------------------------------------------------------------- attached


async def test_a_snapshot_and_then_what_happens() -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        attach = await peer.expect("attach")
        assert "since" not in attach
        assert attach["limit"] == 20
        await peer.say(attached(attach, 7))
        await peer.event(8, {"type": "turn.started", "turn": "t_1.s", "agent": "a"})
        await peer.event(9, {"type": "of.a.later.version", "what": 1})
        await peer.event(10, progress(3))
        await peer.until_gone()

    async with scripted(script) as server, connect(server) as device:
        session = device.session("s")
        events = session.events()
        await session.attach(limit=20)
        seen = await take(events, 4)
        assert seen[0] == Renewed(7)
        assert [each.seq for each in seen[1:]] == [8, 9, 10]
        assert bytes(seen[2].raw) == b'{"type":"of.a.later.version","what":1}'
        assert session.position == Position("e1", 10)
        assert session.state.turns["t_1.s"].progress == 3


async def test_after_a_loss_it_goes_on_from_where_it_was() -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        attach = await peer.expect("attach")
        if peer.number == 1:
            await peer.say(attached(attach, 7))
            await peer.event(8, progress(8))
            await peer.close(3008, "slow")
            return
        assert attach["since"] == {"epoch": "e1", "seq": 8}
        await peer.say(attached(attach, 8, "replay", head=10))
        await peer.event(10, progress(10), from_=9)
        await peer.until_gone()

    async with scripted(script) as server, connect(server) as device:
        session = device.session("s")
        events = session.events()
        await session.attach()
        seen = await take(events, 3)
        assert [each.seq for each in seen] == [7, 8, 10]
        assert server.connections == 2


async def test_what_was_seen_is_passed_over_and_a_hole_is_attached_over() -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.say(attached(await peer.expect("attach"), 7))
        await peer.event(8, progress(8))
        await peer.event(8, progress(8))
        await peer.event(7, progress(7))
        await peer.event(10, progress(10))  # 9 is missing
        await peer.event(11, progress(11))
        again = await peer.expect("attach")
        assert again["since"] == {"epoch": "e1", "seq": 8}
        await peer.say(attached(again, 8, "replay", head=11))
        for seq in (9, 10, 11):
            await peer.event(seq, progress(seq))
        await peer.until_gone()

    async with scripted(script) as server, connect(server) as device:
        session = device.session("s")
        events = session.events()
        await session.attach()
        assert [each.seq for each in await take(events, 5)] == [7, 8, 9, 10, 11]
        assert [frame["type"] for frame in server.received] == ["hello", "attach", "attach"]


async def test_a_gap_is_told_and_the_state_is_that_of_the_snapshot() -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        attach = await peer.expect("attach")
        assert attach["since"] == {"epoch": "e0", "seq": 3}
        requested, earliest = {"epoch": "e0", "seq": 3}, {"epoch": "e1", "seq": 5}
        await peer.say({"type": "gap", "session": "s", "requested": requested, "earliest": earliest})
        await peer.say(attached(attach, 7))
        # A store that failed over under the device: told anew, under the attach that there was.
        await peer.say({"type": "gap", "session": "s", "requested": earliest, "earliest": requested})
        await peer.say(attached(attach, 2, epoch="e2"))
        await peer.until_gone()

    async with scripted(script) as server, connect(server) as device:
        session = device.session("s")
        events = session.events()
        await session.attach(since=Position("e0", 3))
        assert await take(events, 2) == [Renewed(7, gap=True), Renewed(2, gap=True)]
        assert session.position == Position("e2", 2)


async def test_from_the_very_beginning() -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        attach = await peer.expect("attach")
        assert attach["since"] == {"epoch": "", "seq": 0}
        await peer.say(attached(attach, 0, "replay", head=1))
        await peer.event(1, progress(1))
        await peer.until_gone()

    async with scripted(script) as server, connect(server) as device:
        session = device.session("s")
        events = session.events()
        await session.attach(since=Position("", 0))
        assert (await anext(events)).seq == 1
        assert session.position == Position("e1", 1)


async def test_a_session_that_is_not_ours_raises_and_later_ends_its_feeds() -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        attach = await peer.expect("attach")
        await peer.say({"type": "error", "ref": attach["ref"], "code": "not_found", "message": "No.", "retry": False})
        attach = await peer.expect("attach")
        await peer.say(attached(attach, 1))
        await peer.expect("cancel")
        error = {
            "type": "error",
            "code": "not_found",
            "message": "Removed.",
            "retry": False,
            "details": {"session": "s"},
        }
        await peer.say(error)
        await peer.until_gone()

    async with scripted(script) as server, connect(server) as device:
        session = device.session("s")
        with pytest.raises(NotFound, match="No"):
            await session.attach()
        events = session.events()
        with pytest.raises(NotFound):
            await anext(events)
        await session.attach()
        cancelling = asyncio.create_task(session.cancel())
        with pytest.raises(NotFound, match="Removed"):
            await session.wait_finished()
        cancelling.cancel()
        assert device.connection == "connected"


async def test_waiting_without_being_attached_is_a_mistake_and_not_for_ever() -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.until_gone()

    async with scripted(script) as server, connect(server) as device:
        with pytest.raises(RuntimeError, match="Attach"):
            await device.session("s").wait_interrupt()


async def test_a_reader_that_is_too_slow_holds_up_nobody_and_is_told() -> None:
    count = 2_500

    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.say(attached(await peer.expect("attach"), 0))
        for seq in range(1, count + 1):
            await peer.event(seq, progress(seq))
        await peer.until_gone()

    async with scripted(script) as server, connect(server) as device:
        session = device.session("s")
        slow = session.events()
        await session.attach()
        await wait_until(lambda: session.state.seq == count, "all events arrived")
        first = await anext(slow)
        assert isinstance(first, Renewed)
        assert first.seq > 1
        rest = [first.seq]
        while rest[-1] < count:
            news = await anext(slow)
            assert isinstance(news, Seen)
            assert news.seq == rest[-1] + 1
            rest.append(news.seq)


async def test_older_history_completes_the_state() -> None:
    message = {"id": "m_1", "role": "user", "parts": [{"type": "text", "text": "first"}]}

    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.say(attached(await peer.expect("attach"), 9, snapshot=SNAPSHOT | {"more": True, "before": 6}))
        history = await peer.expect("history")
        assert history["before"] == 6
        events = [
            {"seq": 2, "at": 1, "event": {"type": "message", "message": message, "first": 2}},
            {"seq": 3, "at": 1, "event": {"type": "of.a.later.version"}},
        ]
        page = {"type": "page", "ref": history["ref"], "session": "s", "events": events}
        await peer.say(page | {"from": 1, "to": 5, "more": False})
        await peer.until_gone()

    async with scripted(script) as server, connect(server) as device:
        session = device.session("s")
        await session.attach()
        assert session.has_older
        assert not await session.history()
        assert [placed.message.text for placed in session.state.ordered] == ["first"]


# ---------------------------------------------------------------- commands


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


async def test_closing_fails_what_was_asked_and_leaves_no_task() -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.until_gone()

    async with scripted(script) as server:
        before = asyncio.all_tasks()
        async with connect(server) as device:
            asked = asyncio.create_task(device.session("s").send("hello"))
            await wait_until(lambda: bool(device._pending.all()), "the command was sent")
        with pytest.raises(Unavailable, match="closed"):
            await asked
        with pytest.raises(Unavailable, match="closed"):
            await device.session("s").send("again")
        ours = {task for task in asyncio.all_tasks() - before if task.get_name().startswith("holdfast")}
        assert ours == set()


async def test_a_drain_says_when_to_come_back() -> None:
    waits = Waits(30.0, 30.0, dice=lambda _low, high: high)

    async def script(peer: Peer) -> None:
        await peer.greet()
        if peer.number == 1:
            await peer.say({"type": "closing", "reconnect_after_ms": 5})
            await peer.close(3001, "The server shuts down")
            return
        await peer.until_gone()

    async with scripted(script) as server, connect(server, waits=waits) as device:
        await wait_until(lambda: server.connections == 2, "the device came back when it was told to")
        await wait_until(lambda: device.connection == "connected", "it is connected again")
