"""Policies at work: they decide before a human must, once, and each of their decisions is in the trail."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog

from holdfast import App, Call, Match, Policy, Rule, Turn, client_tool, tool
from holdfast.core.audit import AuditEntry
from holdfast.core.canonical import input_hash
from holdfast.core.errors import BadInput, Unusable
from holdfast.runtime.policies import Policies
from holdfast.testing import Harness, TestSession, harness

SMALL = Rule(name="small", action="auto_approve", reason="pocket money", match=Match(input={"amount": {"lte": 50}}))
LARGE = Rule(name="large", action="require_approval", reason="look twice", match=Match(input={"amount": {"gt": 500}}))
HUGE = Rule(name="huge", action="auto_deny", reason="too much", match=Match(tool="re*", input={"amount": {"gt": 1000}}))
POLICY = Policy(rules=[SMALL, LARGE, HUGE], expires="1 h", on_expiry="cancel")


@tool(editable=True)
async def refund(amount: float) -> str:
    return f"refunded {amount}"


@client_tool
async def reimburse(amount: float) -> str: ...


def app_of(policy: Any, called: Any = refund) -> App:
    app = App(policy=policy)

    @app.agent("support", tools=[called])
    async def support(turn: Turn) -> Any:
        result = await turn.call(called, amount=float(turn.message.text))
        decision = result.decision
        by = None if decision is None else [decision.by.kind, decision.by.id]
        return {"status": result.status, "reason": result.reason, "by": by, "at": decision and decision.at}

    return app


async def trail(h: Harness, session: TestSession) -> list[AuditEntry]:
    """What the store's audit stream says of the session's tools."""
    key = h.door.keys.audit(h.door.keys.partition(session.id))
    entries = [
        msgspec.json.decode(dict(zip(fields[::2], fields[1::2], strict=True))[b"e"], type=AuditEntry)
        for _, fields in await h.connection.execute("XRANGE", key, "-", "+")
    ]
    return [entry for entry in entries if entry.session == session.id and entry.tool]


async def part_of(session: TestSession) -> dict[str, Any]:
    """The tool's part in the agent's message."""
    parts = [part for one in (await session.state()).ordered for part in one.message.parts]
    return next(part for part in parts if part["type"].startswith("tool-"))


async def test_a_rule_allows(store_url: str) -> None:
    async with harness(app_of(POLICY), url=store_url) as h:
        session = await h.start("support", message="20")
        result = (await session.wait_finished()).result
        assert (result["status"], result["by"]) == ("done", ["policy", "small"])
        assert h.executions(refund) == 1
        [entry] = await trail(h, session)
        assert (entry.action, entry.rule, entry.by.kind) == ("tool.allowed", "small", "policy")
        assert entry.inputHash == input_hash({"amount": 20.0})


async def test_a_rule_denies_and_the_agent_is_told_why(store_url: str) -> None:
    async with harness(app_of(POLICY), url=store_url) as h:
        session = await h.start("support", message="2000")
        result = (await session.wait_finished()).result
        assert (result["status"], result["reason"], result["by"]) == ("denied", "too much", ["policy", "huge"])
        assert h.executions(refund) == 0
        part = await part_of(session)
        assert (part["state"], part["approval"]["reason"]) == ("output-denied", "too much")
        assert (await session.state()).interrupts == {}
        [entry] = await trail(h, session)
        assert (entry.action, entry.rule, entry.tool) == ("tool.denied", "huge", "refund")


async def test_a_rule_asks_and_the_card_says_which(store_url: str) -> None:
    async with harness(app_of(POLICY), url=store_url) as h:
        session = await h.start("support", message="700")
        ask = await session.wait_interrupt(tool=refund)
        assert ask.metadata == {"policy": {"rule": "large", "reason": "look twice"}}
        assert (ask.expiresAt, ask.onExpiry) == (ask.openedAt + 3_600_000, "cancel")
        await session.approve(ask, by="bob")
        result = (await session.wait_finished()).result
        assert (result["status"], result["by"]) == ("done", ["person", "bob"])
        opened, closed = await trail(h, session)
        assert (opened.action, opened.rule, closed.action) == ("interrupt.opened", "large", "interrupt.closed")


async def test_the_policys_expiry_acts_by_itself(store_url: str) -> None:
    async with harness(app_of(POLICY), url=store_url) as h:
        session = await h.start("support", message="700")
        await session.wait_waiting()
        await h.advance("2 h")
        assert (await session.wait_finished()).result["status"] == "cancelled"


async def test_no_rule_means_the_default_and_the_default_is_to_ask(store_url: str) -> None:
    async with harness(app_of(POLICY), url=store_url) as h:
        session = await h.start("support", message="100")
        ask = await session.wait_interrupt(tool=refund)
        assert ask.metadata is None


@pytest.mark.parametrize("approval", [True, lambda _: True, lambda _: 1 / 0])
async def test_a_rule_does_not_override_a_tool_that_asks(approval: Any, store_url: str) -> None:
    @tool(approval=approval)
    async def cautious(call: Call[Any], amount: float) -> None: ...

    async with harness(app_of(POLICY, cautious), url=store_url) as h:
        session = await h.start("support", message="20")
        await session.wait_interrupt(tool=cautious)
        assert h.executions(cautious) == 0


@pytest.mark.parametrize("approval", [False, lambda _: False])
async def test_what_the_tool_lets_through_is_in_the_trail_too(approval: Any, store_url: str) -> None:
    @tool(approval=approval)
    async def easy(amount: float) -> None: ...

    async with harness(app_of(POLICY, easy), url=store_url) as h:
        session = await h.start("support", message="100")
        await session.wait_finished()
        [entry] = await trail(h, session)
        assert (entry.action, entry.rule, entry.by.kind) == ("tool.allowed", None, "system")


async def test_a_predicate_is_not_asked_about_what_a_rule_denies(store_url: str) -> None:
    asked: list[Any] = []

    @tool(approval=asked.append)
    async def remove(amount: float) -> None: ...

    async with harness(app_of(POLICY, remove), url=store_url) as h:
        session = await h.start("support", message="2000")
        assert (await session.wait_finished()).result["status"] == "denied"
        assert asked == []


async def test_what_a_human_edited_is_held_against_the_rules_again(store_url: str) -> None:
    async with harness(app_of(POLICY), url=store_url) as h:
        session = await h.start("support", message="700")
        ask = await session.wait_interrupt(tool=refund)
        await session.approve(ask, by="bob", input={"amount": 5000.0})
        result = (await session.wait_finished()).result
        assert (result["status"], result["by"]) == ("denied", ["policy", "huge"])
        assert h.executions(refund) == 0
        assert (await part_of(session))["state"] == "output-denied"
        denied = (await trail(h, session))[-1]
        assert (denied.action, denied.interrupt) == ("tool.denied", ask.id)
        assert denied.inputHash == input_hash({"amount": 5000.0})


async def test_a_rule_keeps_a_call_from_the_devices(store_url: str) -> None:
    async with harness(app_of(POLICY, reimburse), url=store_url) as h:
        session = await h.start("support", message="2000")
        assert (await session.wait_finished()).result["status"] == "denied"
        assert (await session.state()).interrupts == {}


@pytest.mark.parametrize("action", ["auto_deny", "auto_approve"])
async def test_a_policy_that_changes_while_somebody_is_asked_changes_nothing(action: Any, store_url: str) -> None:
    async with harness(app_of(POLICY), url=store_url) as h:
        session = await h.start("support", message="700")
        ask = await session.wait_interrupt(tool=refund)
        await session.wait_waiting()
        await h.deploy(app_of(Policy(rules=[Rule(action=action)])))
        assert (await session.wait_interrupt(tool=refund)).id == ask.id
        await session.approve(ask)
        assert (await session.wait_finished()).result["status"] == "done"
        assert h.executions(refund) == 1
        assert [entry.action for entry in await trail(h, session)] == ["interrupt.opened", "interrupt.closed"]


async def test_a_verdict_stays_when_the_turn_is_replayed_under_another_policy(store_url: str) -> None:
    def app_with(policy: Policy) -> App:
        app = App(policy=policy)

        @app.agent("support", tools=[refund])
        async def support(turn: Turn) -> Any:
            no = await turn.call(refund, amount=2000.0)
            yes = await turn.call(refund, amount=20.0)
            await turn.gate("go on")
            assert no.decision is not None
            assert yes.decision is not None
            return [no.status, no.reason, no.decision.by.id, no.decision.at, yes.status, yes.decision.by.id]

        return app

    async with harness(app_with(POLICY), url=store_url) as h:
        session = await h.start("support", message="go")
        ask = await session.wait_interrupt(kind="gate")
        await session.wait_waiting()
        await h.deploy(app_with(Policy(rules=[Rule(name="other", action="require_approval")])))
        await h.advance("1 h")
        await session.approve(ask)
        result = (await session.wait_finished()).result
        assert result[:3] == ["denied", "too much", "huge"]
        assert result[3] < ask.openedAt + 1_000
        assert result[4:] == ["done", "small"]
        tools = [entry.action for entry in await trail(h, session) if entry.tool == "refund"]
        assert tools == ["tool.denied", "tool.allowed"]


async def test_roles_are_those_of_whoever_sent_the_message(store_url: str) -> None:
    guests = Policy(rules=[Rule(action="auto_deny", match=Match(roles="guest"))], default="auto_approve")
    async with harness(app_of(guests), url=store_url) as h:
        session = await h.start("support", message="1")  # alice has no roles
        assert (await session.wait_finished()).result["by"] == ["policy", "default"]


# Files.

DENIES = '[[rules]]\nname = "none"\naction = "auto_deny"\n'
ALLOWS = '[[rules]]\nname = "any"\naction = "auto_approve"\n'


def write(path: Path, text: str) -> None:
    """Write it, with a time of its own: two writes may fall into one tick of the file system's clock."""
    before = path.stat().st_mtime_ns if path.exists() else 0
    path.write_text(text)
    os.utime(path, ns=(before + 10**9, before + 10**9))


async def test_a_file_is_read_again_and_a_broken_one_changes_nothing(tmp_path: Path, store_url: str) -> None:
    path = tmp_path / "policy.toml"
    write(path, ALLOWS)
    async with harness(app_of(path), url=store_url) as h:

        async def outcome() -> str:
            return (await (await h.start("support", message="1")).wait_finished()).result["status"]

        assert await outcome() == "done"
        write(path, DENIES)
        assert await outcome() == "denied"
        with structlog.testing.capture_logs() as logs:
            write(path, ALLOWS.replace("auto_approve", "approve"))
            assert [await outcome(), await outcome()] == ["denied", "denied"]
        [said] = [entry for entry in logs if entry["log_level"] == "error"]
        assert "line 1: rules[0].action" in said["why"]
        write(path, ALLOWS)
        assert await outcome() == "done"


def test_a_file_that_is_gone_for_a_moment_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    write(path, DENIES)
    policies = Policies(path)
    before = policies.current()
    path.unlink()
    assert policies.current() == before


def test_the_operators_file_stands_beside_the_authors_policy(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    write(path, DENIES)
    author = Policies(POLICY)
    assert [len(policy.rules) for policy in author.under(str(path)).current()] == [1, 3]
    assert author.under(None).current() == author.current() == [POLICY]


@pytest.mark.parametrize(
    ("content", "error", "said"),
    [
        (None, Unusable, "cannot be read: No such file"),
        (b"\xff", BadInput, "no UTF-8"),
        (b"rules = 3", BadInput, "rules: Expected `array`"),
        (b"#" * 1_100_000, BadInput, "at most"),
    ],
)
def test_at_the_start_a_broken_file_is_refused(
    content: bytes | None, error: type[Exception], said: str, tmp_path: Path
) -> None:
    path = tmp_path / "policy.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(error, match=said) as refused:
        App(policy=str(path))
    assert "\n" not in str(refused.value)
