"""The patterns of docs/choose.md: each a file of under 40 lines that does what its first line says."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx2
import msgspec
import pytest
from tests.acceptance.cluster import Cluster
from tests.client.test_real_server import device

from holdfast.client import Session
from holdfast.core.errors import BadInput, Forbidden
from holdfast.core.interrupts import Interrupt
from holdfast.testing import TestSession, harness, wait_for, wait_until

PATTERNS = Path(__file__).parents[2] / "docs/examples/patterns"
FILES = sorted(PATTERNS.glob("*.py"))


def example(name: str) -> ModuleType:
    """The example, run anew: what it keeps in lists is empty."""
    spec = importlib.util.spec_from_file_location(f"pattern_{name}", PATTERNS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def result(session: TestSession) -> Any:
    return (await session.wait_finished()).result


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_is_short_and_says_what_it_shows(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert len(lines) < 40
    assert lines[0].startswith('"""')
    assert lines[0].endswith('."""')


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_is_run_below(path: Path) -> None:
    assert f'example("{path.stem}")' in Path(__file__).read_text()


# Approvals.


async def test_predicate(store_url: str) -> None:
    async with harness(example("predicate").app, url=store_url) as h:
        small = await h.start("support", input={"order": "A-1", "amount": 50})
        assert await result(small) == "refunded 50 for A-1"
        large = await h.start("support", input={"order": "A-2", "amount": 501})
        ask = await large.wait_interrupt()
        assert (ask.message, (ask.metadata or {})["risk"]) == ("Refund 501?", "high")
        await large.deny(ask, reason="too much, sorry")
        assert await result(large) == "denied: too much, sorry"


async def test_policy(store_url: str) -> None:
    async with harness(example("policy").app, url=store_url) as h:
        for asked, said in (
            ({"do": "read", "path": "/a"}, "read /a"),
            ({"do": "read", "path": "/"}, "denied: Not the root."),
            ({"do": "delete", "path": "/"}, "denied: Not the root."),
        ):
            assert await result(await h.start("files", input=asked)) == said
        session = await h.start("files", input={"do": "delete", "path": "/a"})
        await session.approve(await session.wait_interrupt())
        assert await result(session) == "deleted /a"


async def test_grant(store_url: str) -> None:
    module = example("grant")
    async with harness(module.app, url=store_url) as h:
        session = await h.start("support", message="refund them")
        await session.answer(await session.wait_interrupt(), module.ALWAYS)
        ask = await session.wait_interrupt()
        assert ask.input == {"order": "A-3", "amount": 500}
        await session.deny(ask)
        assert await result(session) == ["done by person", "done by policy", "denied by person"]


async def test_budget(store_url: str) -> None:
    module = example("budget")
    async with harness(module.app, url=store_url) as h:
        session = await h.start("support", message="refund them")
        ask = await session.wait_interrupt()
        assert (ask.input["order"], h.executions(module.refund)) == ("A-3", 2)
        assert "has used 80 of 100; this call would take 40" in (ask.message or "")
        await session.deny(ask)
        assert await result(session) == ["done", "done", "denied"]


async def test_sampling(store_url: str) -> None:
    async with harness(example("sampling").app, url=store_url) as h:
        session = await h.start("support", input={"order": "A-1", "amount": 50})
        assert await result(session) == "refunded 50 for A-1"
        ask = await session.wait_interrupt()
        assert ask.input["context"]["output"] == "refunded 50 for A-1"
        wrong = {"selected": ["wrong"], "text": "It was returned."}
        assert (await session.answer(ask, wrong, by="dora", roles=("audit",))).outcome == "won"


async def test_edit(store_url: str) -> None:
    async with harness(example("edit").app, url=store_url) as h:
        session = await h.start("mailer", message="go")
        ask = await session.wait_interrupt()
        await session.approve(ask, input={"to": "customer@example.com", "text": "Soon."})
        assert await result(session) == "sent as edited, to customer@example.com: Soon."
        shown = (await session.state()).interrupts[ask.id]
        assert shown["input"]["text"] == "Your refund is late, sorry."
        plain = await h.start("mailer", message="go")
        await plain.approve(await plain.wait_interrupt())
        assert (await result(plain)).startswith("sent as written")


async def test_quorum(store_url: str) -> None:
    yes, finance = {"approved": True, "reason": "invoice 12"}, ("finance",)
    async with harness(example("quorum").app, url=store_url) as h:
        session = await h.start("payouts", message="go")
        ask = await session.wait_interrupt()
        with pytest.raises(Forbidden):
            await session.answer(ask, yes, roles=finance)  # Alice has asked for it
        with pytest.raises(BadInput):
            await session.answer(ask, {"approved": True}, by="bob", roles=finance)
        assert (await session.answer(ask, yes, by="bob", roles=finance)).outcome == "recorded"
        assert (await session.answer(ask, yes, by="bob", roles=finance)).outcome == "recorded"
        assert (await session.answer(ask, yes, by="carol", roles=finance)).outcome == "won"
        assert await result(session) == "paid 20000 to DE-7"
        stopped = await h.start("payouts", message="go")
        no = {"approved": False, "reason": "not ours"}
        await stopped.answer(await stopped.wait_interrupt(), no, by="bob", roles=finance)
        assert await result(stopped) == "denied: not ours"


async def test_ladder(store_url: str) -> None:
    async with harness(example("ladder").app, url=store_url) as h:
        session = await h.start("refunds", message="go")
        ask = await session.wait_interrupt()
        yes = {"approved": True}
        await h.advance("10 min")
        with pytest.raises(Forbidden):
            await session.answer(ask, yes, by="mia", roles=("manager",))
        await h.advance("50 min")
        assert (await session.answer(ask, yes, by="mia", roles=("manager",))).outcome == "won"
        assert await result(session) == "refunded A-17"
        kinds = [shown["action"] for shown in (await session.state()).interrupts[ask.id]["escalations"]]
        assert kinds == ["remind", "hand_over"]
        silent = await h.start("refunds", message="go")
        await silent.wait_interrupt()
        await h.advance("1 day")
        assert await result(silent) == "expired"


async def test_silence(store_url: str) -> None:
    async with harness(example("silence").app, url=store_url) as h:
        session = await h.start("posts", message="Hello")
        await session.wait_interrupt()
        await h.advance("1 h")
        assert await result(session) == "published: Hello, decided by the deadline"
        objected = await h.start("posts", message="Hello")
        await objected.deny(await objected.wait_interrupt())
        assert await result(objected) == "held back"


async def test_in_doubt(store_url: str) -> None:
    module = example("in_doubt")
    async with harness(module.app, url=store_url) as h:
        session = await h.start("bills", message="go")
        await module.STARTED.wait()
        await h.kill_worker()
        doubt = await session.wait_interrupt(kind="in_doubt")
        answer = {"ran": True, "result": "paid 20, says the bank"}
        await session.answer(doubt, answer, by="olga", roles=("operator",))
        assert await result(session) == "paid 20, says the bank"
        assert h.executions(module.pay) == 1


# Asking for something else than yes.


async def test_question(store_url: str) -> None:
    async with harness(example("question").app, url=store_url) as h:
        session = await h.start("travel", message="go")
        ask = await session.wait_interrupt(kind="question")
        await h.kill_worker()
        await h.advance("6 days")
        await session.answer(ask, {"selected": ["train"], "text": "by night"})
        assert await result(session) == "train (by night)"


async def test_form(store_url: str) -> None:
    async with harness(example("form").app, url=store_url) as h:
        session = await h.start("orders", message="go")
        ask = await session.wait_interrupt(kind="form")
        with pytest.raises(BadInput):
            await session.answer(ask, {"action": "accept", "content": {"email": "nowhere"}})
        await session.answer(ask, {"action": "accept", "content": {"email": "a@example.com"}})
        assert await result(session) == "a parcel to a@example.com"
        declined = await h.start("orders", message="go")
        await declined.answer(await declined.wait_interrupt(kind="form"), {"action": "decline"})
        assert await result(declined) == "denied"


async def test_page(store_url: str) -> None:
    async with harness(example("page").app, url=store_url) as h:
        session = await h.start("calendar", message="go")
        ask = await session.wait_interrupt(kind="form")
        done = {"action": "accept"}
        with pytest.raises(Forbidden):
            await session.answer(ask, done)
        with pytest.raises(BadInput):
            await session.answer(ask, {**done, "content": {"p": "secret"}}, by="page", roles=("calendar-app",))
        await session.answer(ask, done, by="page", roles=("calendar-app",))
        assert await result(session) == "connected"


async def test_on_device(store_url: str) -> None:
    async with harness(example("on_device").app, url=store_url) as h:
        session = await h.start("care", message="go")
        ask = await session.wait_interrupt(kind="client_tool")
        await session.claim(ask, device="phone")
        with pytest.raises(BadInput):
            await session.answer(ask, {"output": "full"})
        await session.answer(ask, {"output": 0})
        assert await result(session) == "0 %"


async def test_human_tools(store_url: str) -> None:
    async with harness(example("human_tools").app, url=store_url) as h:
        session = await h.start("assistant", message="go")
        await session.answer(await session.wait_interrupt(kind="question"), {"selected": ["staff"]})
        asked = await session.wait_interrupt(kind="gate")
        assert asked.message == "mail to staff"
        await session.approve(asked, by="bob")
        assert await result(session) == "approved by bob"


async def test_inside_a_tool(store_url: str) -> None:
    module = example("inside_a_tool")
    async with harness(module.app, url=store_url) as h:
        session = await h.start("tables", message="Friday")
        ask = await session.wait_interrupt(kind="question")
        await h.kill_worker()
        await session.answer(ask, {"selected": ["outside"]})
        assert await result(session) == "Friday, outside"
        assert module.RESERVED == ["Friday"]


async def test_child(store_url: str) -> None:
    async with harness(example("child").app, url=store_url) as h:
        session = await h.start("assistant", message="Zagreb and Wien")
        zagreb = await session.wait_interrupt(kind="approval")
        assert (zagreb.agent, zagreb.input) == ("travel", {"hotel": "a hotel in Zagreb"})
        await session.wait_waiting()
        await session.deny(zagreb)
        await h.kill_worker()
        await session.approve(await session.wait_interrupt(kind="approval"))
        assert await result(session) == "nothing in Zagreb; booked a hotel in Wien"


# Gates, states, and no agent.


@pytest.mark.parametrize(("approved", "said"), [(True, "released 1.2"), (False, "denied: not today")])
async def test_gate(store_url: str, approved: bool, said: str) -> None:
    async with harness(example("gate").app, url=store_url) as h:
        session = await h.start("release", input="1.2")
        ask = await session.wait_interrupt(kind="gate")
        assert ask.input == {"version": "1.2"}
        answer = {"approved": approved, "reason": "not today"}
        await session.answer(ask, answer, by="sam", roles=("security",))
        assert await result(session) == said


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with Cluster(tmp_path, workers=1) as running:
        yield running


def address(running: Cluster) -> str:
    return f"http://127.0.0.1:{running.ports[0]}"


async def test_gate_outside(cluster: Cluster) -> None:
    module = example("gate_outside")
    script = (address(cluster), cluster.token("alice"), 42)
    async with device(cluster, "olga", token=cluster.token("olga", ("ops",), sessions=["mine"])) as olga:
        killed = asyncio.create_task(module.deploy(*script))

        async def asked() -> bool:
            return len(await olga.inbox()) == 1

        await wait_until_async(asked, "it is in the inbox of ops")
        killed.cancel()
        await asyncio.gather(killed, return_exceptions=True)
        again = asyncio.create_task(module.deploy(*script))
        [card] = await olga.inbox()
        await olga.gate(card.id).decide(True)
        assert await again == "deployed 42"


async def test_board(cluster: Cluster) -> None:
    module = example("board")
    async with device(cluster) as alice, device(cluster, "bob") as bob:
        hers = await alice.start(title="Board")
        his = bob.session(hers.id)
        await his.attach()
        press: Callable[[Session], Awaitable[int]] = module.press
        pressed = await asyncio.gather(press(hers), press(his))
        assert sorted(pressed) == [1, 2]
        await hers.wait_for(lambda state: state.state.get("count") == 2 or None)


async def test_inbox(cluster: Cluster) -> None:
    module = example("inbox")
    phone = await cluster.device()
    sessions = [await phone.start("refunds") for _ in range(3)]
    for session in sessions:
        await phone.wait(
            lambda frame, session=session: (
                frame.get("session") == session and frame.get("event", {}).get("type") == "interrupt.opened"
            ),
            f"a card in {session}",
        )
    answered = await module.approve_all(address(cluster), cluster.token("bob"), "refund")
    assert answered == ["won"] * 3
    assert await module.approve_all(address(cluster), cluster.token("bob"), "refund") == []


async def test_feedback(cluster: Cluster) -> None:
    module = example("feedback")
    phone = await cluster.device()
    session = await phone.start("refunds")
    ask = await phone.interrupt(session=session)
    await phone.answer(ask, {"approved": True})
    should_be = {"order_id": "A-17", "amount": 160}
    await module.correct(address(cluster), cluster.token("alice"), session, ask["id"], should_be)
    headers = {"Authorization": f"Bearer {cluster.token('alice')}"}
    async with httpx2.AsyncClient(base_url=address(cluster), headers=headers) as rest:
        told = (await rest.get(f"/v1/sessions/{session}/feedback?context=true")).json()
    [said] = told["feedback"]
    assert (said["labels"], said["correction"]) == (["too much"], should_be)
    assert said["context"]["input"]["amount"] == 200


# Several at once, and in between.


async def test_all_of_them(store_url: str) -> None:
    module = example("all_of_them")
    async with harness(module.app, url=store_url) as h:
        session = await h.start("trips", message="go")
        await session.wait_waiting()
        assert h.executions(module.look_up) == 1
        asks = await cards(session, 2)
        await session.approve(asks["Rome"])
        await session.deny(asks["Oslo"], by="bob")
        assert await result(session) == ["looked up Oslo", "denied", "booked Rome"]
        assert (h.executions(module.look_up), h.executions(module.book)) == (1, 1)


async def test_first_of_them(store_url: str) -> None:
    async with harness(example("first_of_them").app, url=store_url) as h:
        answered = await h.start("survey", message="go")
        await answered.answer(await answered.wait_interrupt(), {"text": "fine"})
        assert await result(answered) == "fine"
        silent = await h.start("survey", message="go")
        ask = await silent.wait_interrupt()
        await h.advance("3 days")
        assert await result(silent) == "silent"
        late = await silent.answer(ask, {"text": "fine"})
        assert late.outcome == "lost"
        assert late.decision is not None
        assert late.decision.status == "withdrawn"


async def test_meanwhile(store_url: str) -> None:
    async with harness(example("meanwhile").app, url=store_url) as h:
        session = await h.start("shop", message="a bike")
        ask = await session.wait_interrupt()
        await session.wait_waiting()
        assert (await session.send("a red one")).steers
        await session.approve(ask)
        assert await result(session) == "ordered a bike; a red one"
        other = await h.start("shop", message="a bike")
        old = await other.wait_interrupt()
        await other.wait_waiting()
        await other.send("a boat", mode="replace")
        assert (await other.state()).interrupts[old.id]["decision"]["status"] == "superseded"
        await other.approve(await other.wait_interrupt())
        assert await result(other) == "ordered a boat"


async def test_one_button(store_url: str) -> None:
    async with harness(example("one_button").app, url=store_url) as h:
        session = await h.start("intake", message="go")
        for message, ask in (await cards(session, 2)).items():
            await session.answer(ask, {"text": "Ada" if "name" in message else "Bath"})
        turn = await session.wait_ready_to_continue()
        presses = await asyncio.gather(*(session.continue_turn(turn.id, by=by) for by in ("alice", "bob")))
        assert sorted(press.outcome for press in presses) == ["lost", "won"]
        assert await result(session) == ["Ada", "Bath"]


async def test_handover(store_url: str) -> None:
    async with harness(example("handover").app, url=store_url) as h:
        session = await h.start("desk", message="opening hours?")
        await session.wait_finished()
        await session.send("my parcel is lost")
        await session.wait_finished()
        await session.take_over()
        await session.send("It is with your neighbour.", by="olga")
        await session.send("what was said?")
        before = await session.text()
        await session.hand_back()
        await wait_until_async(lambda: longer(session, before), "the agent speaks again")
        assert before.endswith("A person will answer this.It is with your neighbour.")
        said = "From nine to five. | A person will answer this. | It is with your neighbour."
        assert (await session.text()).endswith(said)


# Time.


async def test_workflow(store_url: str) -> None:
    module = example("workflow")
    async with harness(module.app, url=store_url) as h:
        session = await h.start("onboarding", input="Ada")
        ask = await session.wait_interrupt(kind="gate")
        await h.advance("13 days")
        await session.approve(ask)
        await wait_until_async(lambda: progressed(session), "it is half done")
        await session.wait_waiting()
        await h.kill_worker()
        await h.advance("7 days")
        assert await result(session) == "welcome, account of Ada"
        assert module.OPENED == ["Ada"]


async def test_schedule(store_url: str) -> None:
    module = example("schedule")
    async with harness(module.app, url=store_url) as h:
        session = await h.start("invoices", input="")
        assert (await result(session)).startswith("turn-")
        await h.advance("2 days")
        await wait_until_async(lambda: reminded(session), "the put-off turn has ended")
        report = TestSession(h, "schedule-report")
        await report.approve(await report.wait_interrupt(kind="gate"))
        await report.wait_finished()
        assert module.SENT == ["numbers"]


async def test_notices(store_url: str) -> None:
    module = example("notices")
    async with harness(module.app, url=store_url) as h:
        session = await h.start("hosts", message="go")
        ask = await session.wait_interrupt()
        await wait_until(lambda: module.CHAT == ["interrupt.opened: reboot"], "the chat was told")
        await session.approve(ask)
        await wait_until(lambda: module.CHAT[1:] == ["interrupt.closed: reboot"], "the chat was told again")


@pytest.mark.parametrize(("approved", "said"), [(True, "found after 5"), (False, "stopped after 3")])
async def test_limit(store_url: str, approved: bool, said: str) -> None:
    async with harness(example("limit").app, url=store_url) as h:
        session = await h.start("research", message="go")
        ask = await session.wait_interrupt(kind="gate")
        assert ask.input == {"used": 3, "max": 3}
        await session.answer(ask, {"approved": approved})
        assert await result(session) == said


# What they wait for.


async def wait_until_async(condition: Any, what: str) -> None:
    async def find() -> bool | None:
        return True if await condition() else None

    await wait_for(find, what)


async def cards(session: TestSession, count: int) -> dict[str, Interrupt]:
    """The open cards, by their city or message: so many of them."""

    async def find() -> dict[str, Interrupt] | None:
        state = await session.state()
        found = [msgspec.convert(shown, Interrupt) for shown in state.interrupts.values()]
        return {card_name(one): one for one in found} if len(found) == count else None

    return await wait_for(find, f"{count} cards")


def card_name(card: Interrupt) -> str:
    return card.input["city"] if card.kind == "approval" else card.message or ""


async def longer(session: TestSession, before: str) -> bool:
    return len(await session.text()) > len(before)


async def progressed(session: TestSession) -> bool:
    return [turn.progress for turn in (await session.state()).turns.values()] == [{"done": 1, "of": 2}]


async def reminded(session: TestSession) -> bool:
    return "reminded" in [turn.result for turn in (await session.state()).turns.values()]
