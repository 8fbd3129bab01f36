"""Calls that nobody was asked about, shown to somebody afterwards: nothing waits for what is said, and it is kept."""

from __future__ import annotations

import secrets
from typing import Any

import msgspec
import pytest

from holdfast import App, Approvers, Match, Policy, Rule, Turn, client_tool, tool
from holdfast.commands import answering, deleting, feedback, inbox, reporting
from holdfast.commands.auditing import Wanted
from holdfast.core import ids, reviews
from holdfast.core.audit import AuditEntry
from holdfast.core.errors import BadInput, Forbidden
from holdfast.core.identity import Principal
from holdfast.core.interrupts import Interrupt, InterruptRecord
from holdfast.core.sampling import drawn
from holdfast.core.session import SessionRecord
from holdfast.protocol.frames import Answer
from holdfast.store import retention
from holdfast.store.log import Log
from holdfast.testing import Harness, TestSession, harness, person

ADMIN = Principal("root", sessions=("*",), can=("read", "admin"))


@tool
async def pay(amount: float) -> str:
    if amount > 1_000:
        raise ValueError("the bank said no")
    return f"paid {amount:g}"


def app_of(policy: Policy, called: Any = pay) -> App:
    app = App(policy=policy)

    @app.agent("support", tools=[called])
    async def support(turn: Turn) -> list[Any]:
        amounts = [float(word) for word in turn.message.text.split() if word[0].isdigit()]
        results = [await turn.call(called, amount=amount) for amount in amounts]
        return [[one.status, len(turn.notes)] for one in results]

    return app


def sampling(share: float | None = 100, **fields: Any) -> Policy:
    return Policy(rules=[Rule(name="all", action="auto_approve", sample=share)], **fields)


async def shown(session: TestSession) -> list[Interrupt]:
    """What is asked in the session and open."""
    found = (await session.state()).interrupts.values()
    return [msgspec.convert(one, Interrupt) for one in found if "decision" not in one]


async def record(h: Harness, one: Interrupt) -> InterruptRecord:
    return (await h.door.read(one.session, interrupts=(one.id,))).interrupts[one.id]


async def session_record(h: Harness, session: TestSession) -> SessionRecord:
    found = (await h.door.read(session.id)).session
    assert found is not None
    return found


async def trail(h: Harness) -> list[AuditEntry]:
    found: list[AuditEntry] = []
    for partition in range(h.door.keys.partitions):
        rows = await h.connection.execute("XRANGE", h.door.keys.audit(partition), "-", "+")
        found += [msgspec.json.decode(row[1][1], type=AuditEntry) for row in rows]
    return found


async def outbox(h: Harness) -> int:
    keys = [h.door.keys.outbox(partition) for partition in range(h.door.keys.partitions)]
    return sum([int(await h.connection.execute("XLEN", key)) for key in keys])


async def test_what_passed_is_shown_and_nothing_waits_for_it(store_url: str) -> None:
    async with harness(app_of(sampling()), url=store_url) as h:
        session = await h.start("support", message="70")
        assert (await session.wait_finished()).result == [["done", 0]]
        [ask] = await shown(session)
        assert (ask.kind, ask.reason, ask.toolName) == ("question", "holdfast:review", "pay")
        assert ask.input["context"] == {"tool": "pay", "input": {"amount": 70.0}, "output": "paid 70"}
        assert (ask.metadata or {})["policy"] == {"rule": "all", "sample": 100}
        assert [one.id for one in (await inbox.inbox(h.backend, person("alice"))).interrupts] == [ask.id]
        assert await outbox(h) == 0
        # The agent is told nothing of it: the next turn begins as if it were not there.
        await session.send("1")
        assert (await session.wait_finished()).result == [["done", 0]]


async def test_what_is_said_is_feedback_about_the_call(store_url: str) -> None:
    async with harness(app_of(sampling()), url=store_url) as h:
        session = await h.start("support", message="70")
        turn = await session.wait_finished()
        [ask] = await shown(session)
        told = await session.answer(ask, {"selected": ["wrong"], "text": "That was 7."}, by="bob")
        assert told.outcome == "won"
        assert await shown(session) == []
        [said] = (await feedback.read(h.backend, ADMIN, session.id, context=True)).feedback
        assert said.target.operation == f"{turn.id}/tool:pay:1"
        assert (said.by.id, said.score, said.labels, said.comment) == ("bob", -1, ("review", "wrong"), "That was 7.")
        assert said.context is not None
        assert (said.context.input, said.context.output) == ({"amount": 70.0}, "paid 70")
        late = await session.answer(ask, {"selected": ["right"]}, by="carol")
        assert (late.outcome, late.decision and late.decision.by.id) == ("lost", "bob")
        assert len((await feedback.read(h.backend, ADMIN, session.id)).feedback) == 1
        report = await reporting.report(h.backend, ADMIN, Wanted(session=session.id))
        [seen] = report.reviews
        assert (seen.tool, seen.rule, seen.shown, seen.right, seen.wrong) == ("pay", "all", 1, 0, 1)
        assert seen.examples == (ask.id,)
        assert report.tools == []
        entries = [(one.action, one.rule, one.outcome) for one in await trail(h) if one.interrupt == ask.id]
        assert entries == [
            ("interrupt.opened", "all", None),
            ("interrupt.closed", "all", "wrong"),
            ("answer.lost", None, None),
        ]


@pytest.mark.parametrize("payload", [{"selected": []}, {"selected": ["right", "wrong"]}, {"text": "fine"}])
async def test_it_is_one_of_two_words(payload: dict[str, Any], store_url: str) -> None:
    async with harness(app_of(sampling()), url=store_url) as h:
        session = await h.start("support", message="70")
        await session.wait_finished()
        [ask] = await shown(session)
        with pytest.raises(BadInput, match=r"payload\.selected"):
            await session.answer(ask, payload)


async def test_it_grants_nothing(store_url: str) -> None:
    async with harness(app_of(sampling()), url=store_url) as h:
        session = await h.start("support", message="70")
        await session.wait_finished()
        [ask] = await shown(session)
        with pytest.raises(BadInput, match="grant"):
            await session.answer(ask, {"selected": ["right"], "grant": {"scope": "session"}})


async def test_nobody_looks_and_nothing_comes_of_it(store_url: str) -> None:
    async with harness(app_of(sampling()), url=store_url) as h:
        session = await h.start("support", message="70")
        await session.wait_finished()
        [ask] = await shown(session)
        await h.advance("8 days")
        late = await session.answer(ask, {"selected": ["right"]})
        assert (late.outcome, late.decision and late.decision.status) == ("lost", "expired")
        assert (await feedback.read(h.backend, ADMIN, session.id)).feedback == []
        assert await outbox(h) == 0
        [seen] = (await reporting.report(h.backend, ADMIN, Wanted(session=session.id))).reviews
        assert (seen.shown, seen.unseen) == (1, 1)


async def test_the_share_is_drawn_by_a_hash_of_the_call(store_url: str) -> None:
    async with harness(app_of(sampling(30)), url=store_url) as h:
        session = await h.start("support", message="1 2 3 4 5 6 7 8 9 10 11 12")
        turn = await session.wait_finished()
        salt = (await session_record(h, session)).salt
        keys = [f"tool:pay:{n}" for n in range(1, 13)]
        wanted = [key for key in keys if drawn(30, salt, ids.idempotency_key(turn.id, key))]
        assert [(await record(h, one)).operation for one in await shown(session)] == wanted
        operations = await h.door.operations(turn.id)
        assert [key for key in keys if (judged := operations[key].judged) and judged.sample == 30] == wanted


async def test_what_is_asked_about_or_the_tool_allows_is_not_shown(store_url: str) -> None:
    large = Rule(name="large", action="require_approval", match=Match(input={"amount": {"gt": 50}}))
    policy = Policy(rules=[large], sample=100)
    async with harness(app_of(policy, pay.options(approval=False)), url=store_url) as h:
        session = await h.start("support", message="70 7")
        await session.approve(await session.wait_interrupt(kind="approval"))
        assert (await session.wait_finished()).result == [["done", 0]] * 2
        assert await shown(session) == []


async def test_a_policy_s_share_is_of_its_rules_its_default_and_grants(store_url: str) -> None:
    rule = Rule(name="small", action="auto_approve", match=Match(input={"amount": {"lt": 10}}))
    none = Rule(name="tiny", action="auto_approve", match=Match(input={"amount": {"lt": 1}}), sample=0)
    policy = Policy(rules=[none, rule], sample=100)
    async with harness(app_of(policy), url=store_url) as h:
        session = await h.start("support", message="0.5 7 70 71")
        ask = await session.wait_interrupt(kind="approval")
        answered = await session.approve(ask, grant={"scope": "session", "input": {}})
        await session.wait_finished()
        assert [(one.metadata or {})["policy"]["rule"] for one in await shown(session)] == [
            "small",
            f"grant {answered.grant}",
        ]


async def test_what_a_device_runs_is_seen_there(store_url: str) -> None:
    @client_tool
    async def pay(amount: float) -> str: ...

    async with harness(app_of(sampling(), pay), url=store_url) as h:
        session = await h.start("support", message="70")
        await session.answer(await session.wait_interrupt(kind="client_tool"), {"output": "paid"})
        turn = await session.wait_finished()
        assert await shown(session) == []
        [operation] = (await h.door.operations(turn.id)).values()
        assert operation.judged is not None
        assert operation.judged.sample is None


async def test_what_another_framework_will_run_is_shown_when_it_is_let_pass(store_url: str) -> None:
    app = App(policy=sampling())

    @tool
    async def pay(amount: float) -> None: ...

    @app.agent("support", tools=[pay])
    async def support(turn: Turn) -> str:
        return (await turn.permit(pay, {"amount": 70.0})).status

    async with harness(app, url=store_url) as h:
        session = await h.start("support", message="go")
        assert (await session.wait_finished()).result == "done"
        [ask] = await shown(session)
        assert ask.input["context"] == {"tool": "pay", "input": {"amount": 70.0}}


async def test_who_may_say_it(store_url: str) -> None:
    policy = sampling(reviewers="role:audit")
    async with harness(app_of(policy), url=store_url) as h:
        session = await h.start("support", message="70")
        await session.wait_finished()
        [ask] = await shown(session)
        right = {"selected": ["right"]}
        with pytest.raises(Forbidden):
            await session.answer(ask, right, by="alice", roles=("audit",))  # her own request
        frame = Answer(secrets.token_hex(4), session.id, ask.id, "resolved", right)
        assert (await answering.answer(h.backend, Principal("dora", ("audit",)), frame, "test")).outcome == "won"


async def test_a_quorum_that_would_have_been_asked_need_not_meet(store_url: str) -> None:
    both = pay.options(approvers=Approvers(roles=("finance",), quorum=2, require_reason=True))
    async with harness(app_of(sampling(), both), url=store_url) as h:
        session = await h.start("support", message="70")
        await session.wait_finished()
        [ask] = await shown(session)
        assert ask.approvers is not None
        assert ask.approvers == Approvers(roles=("finance",))
        assert ask.unroutable is None


async def test_only_so_many_are_open(monkeypatch: pytest.MonkeyPatch, store_url: str) -> None:
    monkeypatch.setattr(reviews, "OPEN_MAX", 2)
    async with harness(app_of(sampling()), url=store_url) as h:
        session = await h.start("support", message="1 2 3")
        await session.wait_finished()
        first, second = await shown(session)
        await session.answer(first, {"selected": ["right"]})
        await h.advance("8 days")  # the second is seen by nobody: what has closed takes no room
        await session.send("4 5 6")
        await session.wait_finished()
        assert second.id not in [one.id for one in await shown(session)]
        assert [one.input["context"]["input"]["amount"] for one in await shown(session)] == [4, 5]


async def test_a_failure_is_shown_as_one(store_url: str) -> None:
    async with harness(app_of(sampling()), url=store_url) as h:
        session = await h.start("support", message="5000")
        await session.wait_finished()
        [ask] = await shown(session)
        assert ask.input["context"]["error"] == "ValueError: the bank said no"


async def test_a_worker_that_dies_leaves_one_review(store_url: str) -> None:
    @tool(idempotent=True)
    async def pay(amount: float) -> str:
        return f"paid {amount:g}"

    async with harness(app_of(sampling(), pay), url=store_url) as h:
        session = await h.start("support", message="1 2 3 4 5 6")
        await session.wait_interrupt(kind="question")
        await h.kill_worker()
        await session.wait_finished()
        amounts = [one.input["context"]["input"]["amount"] for one in await shown(session)]
        assert amounts == [1, 2, 3, 4, 5, 6]


async def test_it_goes_with_its_session(store_url: str) -> None:
    async with harness(app_of(sampling()), url=store_url) as h:
        session = await h.start("support", message="70")
        await session.wait_finished()
        [ask] = await shown(session)
        await deleting.delete(h.backend, person("alice"), session.id, "r", "test")
        partition = ids.partition_of(session.id, h.door.keys.partitions)
        assert await h.connection.execute("ZSCORE", h.door.keys.inbox(partition), ask.id) is None
        names = await h.connection.execute("ZRANGE", h.door.keys.deadlines(partition), "0", "-1")
        assert [name for name in names if ask.id.encode() in name] == []


async def test_a_long_log_is_trimmed_past_it_and_it_can_still_be_answered(store_url: str) -> None:
    async with harness(app_of(sampling(), pay), url=store_url) as h:
        session = await h.start("support", message="70")
        await session.wait_finished()
        [ask] = await shown(session)
        await session.send("hello")  # a turn without any call
        await session.wait_finished()
        log = Log(h.connection, h.door.keys)
        assert await retention.trim(h.door, log, session.id, retain=2)
        assert (await log.page(session.id, 0)).floor > 8, "past its opening"
        assert [one.id for one in await shown(session)] == [ask.id]
        await session.answer(ask, {"selected": ["right"]})
        assert await shown(session) == []
