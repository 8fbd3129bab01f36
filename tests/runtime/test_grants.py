"""Grants at work: given with one approval, they let the like pass, until they are revoked; and nothing else."""

from __future__ import annotations

import secrets
from typing import Any

import msgspec
import pytest

from holdfast import App, Approval, Approvers, HandOver, Match, Policy, Rule, Turn, client_tool, tool
from holdfast.commands import answering, answering_many, deleting, granting, grants, leaving, membership, previewing
from holdfast.core import ids
from holdfast.core.audit import AuditEntry
from holdfast.core.errors import BadInput, BadRequest, CannotGrant, Forbidden, NotFound
from holdfast.core.identity import OPERATOR, Principal
from holdfast.core.interrupts import GrantWish, Interrupt
from holdfast.protocol.frames import Answer, AnswerItem, AnswerMany
from holdfast.runtime.backing import Backing
from holdfast.store.indexes import Indexes
from holdfast.testing import Harness, TestSession, harness, person, wait_for

SMALL = {"amount": {"lte": 100}}


@tool
async def pay(amount: float, to: str = "bob") -> str:
    return f"paid {amount}"


def app_of(called: Any = pay, policy: Policy | None = None, agent: str = "support") -> App:
    app = App(policy=policy)

    @app.agent(agent, tools=[called])
    async def support(turn: Turn) -> list[Any]:
        results = [await turn.call(called, amount=float(number)) for number in turn.message.text.split()]
        return [[one.status, one.decision and one.decision.by.id] for one in results]

    return app


async def grant(session: TestSession, ask: Interrupt, by: str = "bob", **wish: Any) -> str:
    answered = await session.approve(ask, by=by, grant={"scope": "session", **wish})
    assert answered.outcome == "won"
    assert answered.grant is not None
    return answered.grant


async def trail(h: Harness, action: str) -> list[AuditEntry]:
    found: list[AuditEntry] = []
    for partition in range(h.door.keys.partitions):
        rows = await h.connection.execute("XRANGE", h.door.keys.audit(partition), "-", "+")
        found += [msgspec.json.decode(row[1][1], type=AuditEntry) for row in rows]
    return [entry for entry in found if entry.action == action]


async def revoke(h: Harness, own_id: str, by: str = "bob") -> None:
    await grants.revoke(h.backend, person(by), own_id, secrets.token_hex(4), "test")


async def test_what_was_granted_is_not_asked_about_again(store_url: str) -> None:
    async with harness(app_of(), url=store_url) as h:
        session = await h.start("support", message="70 30 100 101")
        own_id = await grant(session, await session.wait_interrupt(tool=pay), input=SMALL)
        ask = await session.wait_interrupt(tool=pay)
        assert ask.input["amount"] == 101
        await session.deny(ask)
        statuses = (await session.wait_finished()).result
        assert statuses == [["done", "bob"], ["done", own_id], ["done", own_id], ["denied", "alice"]]
        [made] = await trail(h, "grant.made")
        assert (made.by.id, made.rule, made.tool, made.session) == ("bob", f"grant {own_id}", "pay", session.id)
        allowed = await trail(h, "tool.allowed")
        assert [(one.rule, one.by.kind, one.by.id) for one in allowed] == [(f"grant {own_id}", "policy", own_id)] * 2


async def test_without_conditions_it_is_exactly_these_arguments(store_url: str) -> None:
    async with harness(app_of(), url=store_url) as h:
        session = await h.start("support", message="70 70 71")
        await grant(session, await session.wait_interrupt(tool=pay))
        assert (await session.wait_interrupt(tool=pay)).input["amount"] == 71
        assert h.executions(pay) == 2


async def test_a_session_s_grant_ends_with_its_session(store_url: str) -> None:
    async with harness(app_of(), url=store_url) as h:
        session = await h.start("support", message="70")
        await grant(session, await session.wait_interrupt(tool=pay), input={})
        await session.wait_finished()
        other = await h.start("support", message="70")
        await other.wait_interrupt(tool=pay)


@pytest.mark.parametrize(("scope", "others"), [("agent", True), ("person", False)])
async def test_wider_grants_hold_in_other_sessions(scope: str, others: bool, store_url: str) -> None:
    async with harness(app_of(), url=store_url) as h:
        session = await h.start("support", message="70")
        own_id = await grant(session, await session.wait_interrupt(tool=pay), scope=scope, input=SMALL)
        mine = await h.start("support", message="7")
        assert (await mine.wait_finished()).result == [["done", own_id]]
        theirs = await h.start("support", message="7", by="carol")
        if others:
            assert (await theirs.wait_finished()).result == [["done", own_id]]
        else:
            await theirs.wait_interrupt(tool=pay)


async def test_a_grant_says_nothing_where_its_giver_may_not_answer(store_url: str) -> None:
    """Bob is a member here and nowhere else: what he grants for the agent holds where he is a member."""
    async with harness(app_of(), url=store_url) as h:
        session = await h.start("support", message="70")
        ask = await session.wait_interrupt(tool=pay)
        await membership.put_member(h.backend, Principal("alice"), session.id, "bob", "member")
        payload = {"approved": True, "grant": {"scope": "agent", "input": {}}}
        frame = Answer("r", session.id, ask.id, "resolved", payload)
        assert (await answering.answer(h.backend, Principal("bob"), frame, "test")).grant is not None
        other = await h.start("support", message="70")
        await other.wait_interrupt(tool=pay)


async def test_it_stands_against_asking_and_not_against_denying(store_url: str) -> None:
    policy = Policy(
        rules=[
            Rule(name="ask", action="require_approval"),
            Rule(name="huge", action="auto_deny", match=Match(input={"amount": {"gt": 500}})),
        ]
    )
    async with harness(app_of(policy=policy), url=store_url) as h:
        session = await h.start("support", message="70 600 80")
        own_id = await grant(session, await session.wait_interrupt(tool=pay), input={})
        assert (await session.wait_finished()).result == [["done", "bob"], ["denied", "huge"], ["done", own_id]]


# Revoking, and running out.


@pytest.mark.parametrize("scope", ["session", "agent", "person"])
async def test_it_is_revoked_between_judging_and_executing(
    scope: str, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    back, revoked = Backing.back, list[str]()
    async with harness(app_of(), url=store_url) as h:
        session = await h.start("support", message="70 70")
        ask = await session.wait_interrupt(tool=pay)

        async def revoke_first(self: Backing, commit: Any) -> None:
            if commit.label == "begin" and self._grant is not None and not revoked:  # pyright: ignore[reportPrivateUsage]
                if scope == "session":
                    await back(self, commit)  # it still stood: only the commit's own guard can tell now
                await revoke(h, self._grant)  # pyright: ignore[reportPrivateUsage]
                revoked.append(self._grant)  # pyright: ignore[reportPrivateUsage]
                if scope == "session":
                    return
            await back(self, commit)

        monkeypatch.setattr(Backing, "back", revoke_first)
        own_id = await grant(session, ask, scope=scope, input={})
        second = await session.wait_interrupt(tool=pay)
        assert second.id != ask.id
        await session.wait_waiting()
        assert (revoked, h.executions(pay)) == ([own_id], 1)
        [entry] = await trail(h, "grant.revoked")
        assert (entry.rule, entry.by.id) == (f"grant {own_id}", "bob")


@pytest.mark.parametrize("scope", ["session", "person"])
async def test_it_runs_out(scope: str, store_url: str) -> None:
    async with harness(app_of(), url=store_url) as h:
        session = await h.start("support", message="70")
        ask = await session.wait_interrupt(tool=pay)
        await grant(session, ask, scope=scope, input={}, until=ask.openedAt + 3_600_000)
        await session.wait_finished()
        await session.send("70")
        assert (await session.wait_finished()).result[0][0] == "done"
        await h.advance("2 h")
        await session.send("70")
        await session.wait_interrupt(tool=pay)
        assert (await grants.page(h.backend, person("bob"))).grants == []


async def test_a_repeated_answer_does_not_bring_a_revoked_grant_back(store_url: str) -> None:
    async with harness(app_of(), url=store_url) as h:
        session = await h.start("support", message="70")
        ask = await session.wait_interrupt(tool=pay)
        wish = {"scope": "agent", "input": {}}
        first = await session.approve(ask, by="bob", ref="same", grant=wish)
        assert (await session.approve(ask, by="bob", ref="same", grant=wish)).grant == first.grant
        assert first.grant is not None
        await revoke(h, first.grant)
        again = await session.approve(ask, by="bob", ref="same", grant=wish)
        assert (again.outcome, again.grant) == ("won", None)
        other = await h.start("support", message="70")
        await other.wait_interrupt(tool=pay)


async def test_a_wide_grant_that_was_lost_on_the_way_is_made_by_the_repeated_answer(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with harness(app_of(), url=store_url) as h:
        session = await h.start("support", message="70")
        ask = await session.wait_interrupt(tool=pay)
        wish = {"scope": "agent", "input": {}}
        with monkeypatch.context() as crash:

            async def die(*_: Any) -> None:
                raise SystemExit

            crash.setattr(granting, "ensure", die)
            with pytest.raises(SystemExit):
                await session.approve(ask, ref="same", grant=wish)
        assert (await session.wait_finished()).result[0][0] == "done"
        assert (await grants.page(h.backend, person("alice"))).grants == []
        assert (await session.approve(ask, ref="same", grant=wish)).grant is not None
        assert len((await grants.page(h.backend, person("alice"))).grants) == 1


# Who may give one, and with what.


@pytest.mark.parametrize(
    "payload",
    [
        {"approved": True, "grant": True},
        {"approved": True, "grant": "true"},
        {"approved": True, "grant": "session"},
        {"approved": True, "grant": 1},
        {"approved": True, "grant": None},
        {"approved": True, "grant": []},
        {"approved": True, "grant": {}},
        {"approved": True, "grant": {"scope": "everybody"}},
        {"approved": True, "grant": {"scope": True}},
        {"approved": True, "grant": {"scope": "session", "input": True}},
        {"approved": True, "grant": {"scope": "session", "input": None}},
        {"approved": True, "grant": {"scope": "session", "until": "tomorrow"}},
        {"approved": True, "grant": {"scope": "session", "until": True}},
        {"approved": True, "grant": {"scope": "session", "tool": "*"}},
        {"approved": True, "grant": {"grant": {"scope": "session"}}},
        {"approved": True, "grant": {"scope": "session", "input": {"amount": {"lte": 50}}}},
        {"approved": False, "grant": {"scope": "session"}},
        {"approved": "true", "grant": {"scope": "session"}},
        {"grant": {"scope": "session"}},
    ],
)
async def test_nothing_else_grants(payload: Any, store_url: str) -> None:
    async with harness(app_of(), url=store_url) as h:
        session = await h.start("support", message="70")
        ask = await session.wait_interrupt(tool=pay)
        with pytest.raises(BadInput):
            await session.answer(ask, payload)
        await session.wait_waiting()
        assert (await h.door.standing(session.id)).version == 0


@tool(approval=True, grantable=False)
async def never(amount: float) -> None: ...


@tool(approval=lambda _: Approval(True, grantable=False))
async def risky(amount: float) -> None: ...


@tool(approval=True, approvers=Approvers(quorum=2))
async def for_two(amount: float) -> None: ...


UNGRANTABLE = Policy(
    rules=[
        Rule(name="a", action="require_approval"),
        Rule(name="b", action="require_approval", grantable=False),
    ]
)


@pytest.mark.parametrize(("called", "policy"), [(never, None), (risky, None), (for_two, None), (pay, UNGRANTABLE)])
async def test_what_must_be_asked_every_time(called: Any, policy: Policy | None, store_url: str) -> None:
    async with harness(app_of(called, policy), url=store_url) as h:
        session = await h.start("support", message="70")
        ask = await session.wait_interrupt(tool=called)
        assert not ask.grantable
        with pytest.raises(BadInput, match="standing grant"):
            await session.approve(ask, grant={"scope": "session"})


async def test_what_becomes_ungrantable_is_asked_about_again(store_url: str) -> None:
    async with harness(app_of(), url=store_url) as h:
        session = await h.start("support", message="70")
        await grant(session, await session.wait_interrupt(tool=pay), input={})
        await session.wait_finished()
        await h.deploy(app_of(policy=UNGRANTABLE))
        await session.send("70")
        await session.wait_interrupt(tool=pay)


async def test_several_answers_at_once_grant_nothing(store_url: str) -> None:
    async with harness(app_of(), url=store_url) as h:
        session = await h.start("support", message="70")
        ask = await session.wait_interrupt(tool=pay)
        payload = {"approved": True, "grant": {"scope": "session"}}
        frame = AnswerMany("r", [AnswerItem(session.id, ask.id, "resolved", payload)])
        [result] = (await answering_many.answer_many(h.backend, person("bob"), frame, "test")).results
        assert result.error is not None
        assert result.error["code"] == "bad_input"
        await session.wait_waiting()


async def test_edited_arguments_are_granted_only_where_the_pattern_covers_them(store_url: str) -> None:
    @tool(editable=True)
    async def give(amount: float) -> None: ...

    async with harness(app_of(give), url=store_url) as h:
        session = await h.start("support", message="70 7 70")
        ask = await session.wait_interrupt(tool=give)
        with pytest.raises(BadInput, match="does not cover"):
            await session.approve(ask, input={"amount": 7}, grant={"scope": "session", "input": {"amount": 70}})
        own_id = await session.approve(ask, input={"amount": 7.0}, grant={"scope": "session"})
        assert (await session.wait_interrupt(tool=give)).input == {"amount": 70}
        assert h.executions(give) == 2
        assert own_id.grant is not None


async def test_a_client_tool_that_is_granted_goes_to_the_device(store_url: str) -> None:
    @client_tool(approval=True)
    async def ring(amount: float) -> str: ...

    async with harness(app_of(ring), url=store_url) as h:
        session = await h.start("support", message="1 1")
        await grant(session, await session.wait_interrupt(kind="approval"), input={})
        for _ in range(2):
            await session.answer(await session.wait_interrupt(kind="client_tool"), {"output": "rang"})
        await session.wait_finished()


# Seeing, previewing, revoking.


async def test_a_preview_says_what_it_would_have_let_pass(store_url: str) -> None:
    async with harness(app_of(), url=store_url) as h:
        session = await h.start("support", message="70 200 30 90")
        await session.approve(await session.wait_interrupt(tool=pay))
        await session.deny(await session.wait_interrupt(tool=pay))
        await session.approve(await session.wait_interrupt(tool=pay))
        ask = await session.wait_interrupt(tool=pay)
        assert ask.input["amount"] == 90
        seen = await previewing.preview(h.backend, person("bob"), ask.id, GrantWish("session", SMALL), None)
        assert (seen.calls, seen.covered, seen.asked) == (4, 3, 3)
        assert [call.input and call.input["amount"] for call in seen.matches] == [90, 30, 70]
        assert seen.words == (
            "Always allow pay with amount lte 100, in this session. Of the 4 calls of pay in this session so far it "
            "covers 3; about 3 of them somebody was asked."
        )
        assert (await h.door.standing(session.id)).grants == ()
        with pytest.raises(BadInput):
            await previewing.preview(h.backend, person("bob"), ask.id, GrantWish("session", {"amount": 1}), None)
        with pytest.raises(NotFound):
            await previewing.preview(h.backend, Principal("mallory"), ask.id, GrantWish("session"), None)


async def test_a_wider_one_is_tried_on_what_its_reach_has_seen(store_url: str) -> None:
    async with harness(app_of(), url=store_url) as h:
        for words, by in (("70", "alice"), ("80 500", "alice"), ("90", "carol")):
            before = await h.start("support", message=words, by=by)
            for _ in words.split():
                await before.approve(await before.wait_interrupt(tool=pay))
            await before.wait_finished()
        session = await h.start("support", message="60")
        ask = await session.wait_interrupt(tool=pay)

        async def amounts(wish: GrantWish, who: Principal) -> tuple[int, int, list[Any]]:
            seen = await previewing.preview(h.backend, who, ask.id, wish, None)
            assert all(call.asked for call in seen.matches)
            return seen.calls, seen.sessions, [(call.input or {})["amount"] for call in seen.matches]

        agent, of_person = GrantWish("agent", SMALL), GrantWish("person", SMALL)
        assert await amounts(agent, person("bob")) == (5, 4, [60, 90, 80, 70])
        assert await amounts(of_person, person("bob")) == (4, 3, [60, 80, 70])
        # Who may answer here alone is shown what is here alone.
        await membership.put_member(h.backend, Principal("alice"), session.id, "dora", "member")
        assert await amounts(agent, Principal("dora")) == (1, 1, [60])
        words = (await previewing.preview(h.backend, person("bob"), ask.id, agent, None)).words
        assert words.endswith(
            "Of the 5 calls of pay in 4 sessions that you may read it covers 4; about 4 of them somebody was asked."
        )


async def test_a_preview_looks_at_so_many_turns_and_says_so(monkeypatch: pytest.MonkeyPatch, store_url: str) -> None:
    monkeypatch.setattr(previewing, "TURNS_MAX", 2)
    async with harness(app_of(pay.options(approval=False)), url=store_url) as h:
        for amount in (10, 20, 30):
            await (await h.start("support", message=str(amount))).wait_finished()
        await h.deploy(app_of())
        session = await h.start("support", message="40")
        ask = await session.wait_interrupt(tool=pay)
        seen = await previewing.preview(h.backend, person("bob"), ask.id, GrantWish("agent", SMALL), None)
        assert (seen.calls, seen.covered, seen.asked, seen.more) == (2, 2, 1, True)
        assert [(call.state, call.approved) for call in seen.matches] == [
            ("approval-requested", None),
            ("output-available", None),
        ]


def handed_over() -> Any:
    return pay.options(approvers="role:finance", escalate=[HandOver("1 h", "role:manager")])


async def test_who_was_asked_only_because_nobody_answered_gives_none(store_url: str) -> None:
    async with harness(app_of(handed_over()), url=store_url) as h:
        session = await h.start("support", message="70")
        ask = await session.wait_interrupt(tool=pay)
        await h.advance("2 h")
        await wait_for(lambda: escalated(h, ask), "it is handed over")
        always = {"approved": True, "grant": {"scope": "agent", "input": SMALL}}
        manager = person("mia", ("manager",))
        with pytest.raises(CannotGrant, match="only handed over") as refused:
            await session.answer(ask, always, by="mia", roles=("manager",))
        assert refused.value.details["approvers"].roles == ("finance",)
        with pytest.raises(CannotGrant):
            await previewing.preview(h.backend, manager, ask.id, GrantWish("agent", SMALL), None)
        [vain] = await trail(h, "answer.refused")
        assert (vain.by.id, vain.status) == ("mia", "cannot_grant")
        # Nothing was decided: who was asked first may still give it.
        assert (await session.answer(ask, always, by="fred", roles=("finance",))).grant is not None


async def test_who_was_asked_only_because_nobody_answered_may_still_say_yes(store_url: str) -> None:
    async with harness(app_of(handed_over()), url=store_url) as h:
        session = await h.start("support", message="70")
        ask = await session.wait_interrupt(tool=pay)
        await h.advance("2 h")
        await wait_for(lambda: escalated(h, ask), "it is handed over")
        assert (await session.answer(ask, {"approved": True}, by="mia", roles=("manager",))).outcome == "won"


async def escalated(h: Harness, ask: Interrupt) -> bool | None:
    record = (await h.door.read(ask.session, interrupts=(ask.id,))).interrupts[ask.id]
    return True if record.interrupt.climbed else None


async def test_a_deputy_gives_none(store_url: str) -> None:
    async with harness(app_of(pay.options(approvers="fay")), url=store_url) as h:
        session = await h.start("support", message="70")
        ask = await session.wait_interrupt(tool=pay)
        until = (await h.door.read(session.id)).now_ms + 3_600_000
        await leaving.leave(h.backend, person("fay"), until, "dan")
        always = {"approved": True, "grant": {"scope": "session"}}
        with pytest.raises(CannotGrant, match="stands in"):
            await session.answer(ask, always, by="dan")
        won = await session.answer(ask, {"approved": True}, by="dan")
        assert (won.outcome, won.decision and won.decision.by.deputyFor) == ("won", "fay")


async def test_the_list_forgets_what_stood_in_a_deleted_session(store_url: str) -> None:
    async with harness(app_of(), url=store_url) as h:
        session = await h.start("support", message="70 500")
        own_id = await grant(session, await session.wait_interrupt(tool=pay), input=SMALL)
        wide = await grant(session, await session.wait_interrupt(tool=pay), scope="agent", input={})
        await session.wait_finished()
        listed = Indexes(h.connection, h.door.keys)
        assert {one.name for one in await listed.grants(None, 10)} == {own_id, wide}
        await deleting.delete(h.backend, person("alice"), session.id, "r", "test")
        while not await deleting.erase_piece(h.backend, session.id):
            pass
        assert [one.name for one in await listed.grants(None, 10)] == [wide]


async def test_who_sees_and_who_revokes(store_url: str) -> None:
    async with harness(app_of(), url=store_url) as h:
        session = await h.start("support", message="70")
        own_id = await grant(session, await session.wait_interrupt(tool=pay), scope="person", input={})
        for principal, sees in (
            (Principal("bob"), True),
            (Principal("alice"), True),
            (Principal("mallory"), False),
            (Principal("olga", (OPERATOR,)), True),
            (Principal("ann", sessions=("*",), can=("read",)), True),
        ):
            page = await grants.page(h.backend, principal)
            assert [one.id for one in page.grants] == ([own_id] if sees else []), principal.subject
        with pytest.raises(NotFound):
            await grants.revoke(h.backend, Principal("mallory"), own_id, "r", "test")
        with pytest.raises(Forbidden):
            await grants.revoke(h.backend, Principal("ann", sessions=("*",), can=("read",)), own_id, "r", "test")
        await grants.revoke(h.backend, Principal("alice"), own_id, "r", "test")
        await grants.revoke(h.backend, Principal("alice"), own_id, "r", "test")
        await grants.revoke(h.backend, Principal("bob"), own_id, "other", "test")
        assert len(await trail(h, "grant.revoked")) == 1
        assert (await grants.page(h.backend, Principal("bob"))).grants == []


@pytest.mark.parametrize("own_id", ["g_x", "g_x.", "i_1.s1", "g_x.~agent-short", "g_x.a b", "g_x.s1"])
async def test_what_is_no_grant(own_id: str, store_url: str) -> None:
    async with harness(app_of(), url=store_url) as h:
        with pytest.raises(NotFound):
            await grants.revoke(h.backend, person("olga", (OPERATOR,)), own_id, "r", "test")


async def test_no_client_can_use_the_home_of_what_is_wider(store_url: str) -> None:
    async with harness(app_of(), url=store_url) as h:
        session = await h.start("support", message="70")
        await grant(session, await session.wait_interrupt(tool=pay), scope="agent", input={})
        home = ids.wide_home("agent", "support")
        view = await h.door.read(home)
        assert (view.session, view.gone) == (None, False)
        with pytest.raises(BadRequest):
            await h.start("support", message="x", id=home)
