"""Workers over HTTP: numbers, fences, repeats, gaps; every way that an operation goes; rights and bounds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from tests.gateways.remote import AGENT, People, RemoteWorker, tool
from tests.gateways.rest import Web, token, web
from tests.waiting import wait_until

from holdfast.core.ids import session_of


@pytest.fixture
async def rest(store_url: str) -> AsyncGenerator[Web]:
    async with web(store_url) as served:
        yield served


@pytest.fixture
async def worker(rest: Web) -> RemoteWorker:
    made = RemoteWorker(rest)
    assert (await made.register(tool(approval=True), tool("look", approval=False))).status_code == 200
    return made


async def lapse(rest: Web, turn: str) -> None:
    """The lease of a turn runs out."""
    door = rest.backend.door
    keys = door.keys
    await door.connection.execute("HINCRBY", keys.meta(keys.partition(session_of(turn))), "clock_offset_ms", 60_000)

    async def ready() -> bool:
        view = await door.read(session_of(turn), turns=(turn,))
        return view.turns[turn].status == "ready"

    await wait_until(ready, "the lease has run out")


# A turn, from its lease to its end.


async def test_from_the_lease_to_the_end(rest: Web, worker: RemoteWorker) -> None:
    people = await People.begin(rest)
    lease = await worker.take()
    assert (lease["agent"], lease["version"], lease["number"]) == (AGENT, "1", 0)
    assert lease["message"]["parts"][0]["text"] == "Refund A-17."
    assert lease["requester"]["subject"] == "alice"
    held = await worker.say("Looking. ", lease["op"])
    assert (held["number"], held["status"]) == (1, "running")
    found = await worker.write("call", tool="look", input={"amount": 1})
    assert (found["do"], found["operation"]["status"]) == ("run", "started")
    ended = await worker.write("result", key=found["operation"]["key"], output={"total": 200})
    assert ended["operation"]["value"] == {"total": 200}
    await worker.say("Found.", ended["op"])
    assert (await worker.write("finish", result={"ok": True}))["status"] == "finished"
    turn = await people.turn()
    assert (turn["status"], turn["result"]) == ("finished", {"ok": True})
    assert await people.text() == "Looking. Found."
    kinds = [part["type"] for part in (await people.snapshot())["messages"][-1]["parts"]]
    assert kinds == ["text", "tool-look", "text"]


async def test_a_worker_that_waits_is_told_at_once(rest: Web, worker: RemoteWorker) -> None:
    waiting = asyncio.create_task(worker.take("30s"))
    other = asyncio.create_task(RemoteWorker(rest, "worker-2").take("30s"))
    connection, keys = rest.backend.door.connection, rest.backend.door.keys

    async def listening() -> bool:
        told = await connection.execute("PUBSUB", "NUMSUB", keys.wake_channel(keys.partitions - 1))
        return told[1] == 1

    await wait_until(listening, "the server listens for turns")
    await People.begin(rest)
    done, _ = await asyncio.wait({waiting, other}, timeout=4, return_when=asyncio.FIRST_COMPLETED)
    assert len(done) == 1, "one of them has it, and long before its next look"
    for task in (waiting, other):
        task.cancel()
    await asyncio.gather(waiting, other, return_exceptions=True)


async def test_no_turn_in_that_time(worker: RemoteWorker) -> None:
    none = await worker.ask("POST", "leases", {"agents": [{"agent": AGENT}], "wait": "10 ms"})
    assert (none.status_code, none.content) == (204, b"")
    unknown = await worker.ask("POST", "leases", {"agents": [{"agent": AGENT, "version": "9"}]})
    assert unknown.json()["code"] == "not_found"


async def test_of_two_workers_one_has_the_turn(rest: Web, worker: RemoteWorker) -> None:
    await People.begin(rest)
    others = [RemoteWorker(rest, f"worker-{n}") for n in range(5)]
    body = {"agents": [{"agent": AGENT}]}
    found = await asyncio.gather(*(one.ask("POST", "leases", body) for one in (worker, *others)))
    assert sorted(one.status_code for one in found) == [200, 204, 204, 204, 204, 204]


# The numbers of writes.


async def test_a_write_that_is_repeated_is_told_again_and_done_once(rest: Web, worker: RemoteWorker) -> None:
    people = await People.begin(rest)
    await worker.take()
    first = await worker.say("Once. ")
    again = await worker.send("append", number=1, chunks=[{"type": "text-start", "id": "x"}])
    assert (again.status_code, again.json()) == (200, first)
    asked = await worker.write("call", tool="refund", input={"amount": 5})
    repeated = await worker.send("call", number=2, tool="refund", input={"amount": 5})
    assert repeated.json() == asked
    assert asked["do"] == "wait"
    waiting = await worker.write("wait")
    assert waiting["status"] == "waiting"
    assert (await worker.send("wait", number=3)).json() == waiting
    opened = [event for event in await people.events() if event["type"] == "interrupt.opened"]
    assert len(opened) == 1
    assert await people.text() == "Once. "


async def test_two_of_the_same_number_at_once_are_one(rest: Web, worker: RemoteWorker) -> None:
    people = await People.begin(rest)
    await worker.take()
    sent = await asyncio.gather(*(worker.send("call", number=1, tool="look", input={}) for _ in range(4)))
    assert [one.json()["do"] for one in sent] == ["run"] * 4
    assert len({one.json()["number"] for one in sent}) == 1
    assert [one["status"] for one in await worker.operations()] == ["started"]
    assert len([event for event in await people.events() if event["type"] == "chunk"]) == 1


async def test_a_number_that_was_skipped_is_refused(rest: Web, worker: RemoteWorker) -> None:
    await People.begin(rest)
    await worker.take()
    skipped = await worker.send("append", number=2)
    assert (skipped.status_code, skipped.json()["code"]) == (409, "number_skipped")
    assert skipped.json()["details"]["expected"] == 1


async def test_a_known_number_of_another_operation(rest: Web, worker: RemoteWorker) -> None:
    await People.begin(rest)
    await worker.take()
    await worker.say("One.")
    other = await worker.send("call", number=1, tool="look", input={})
    assert (other.status_code, other.json()["code"]) == (409, "conflict")
    await worker.write("call", tool="look", input={})
    late = await worker.send("result", number=1, key="tool:look:1", output=1)
    assert (late.status_code, late.json()["code"]) == (409, "conflict")
    assert [one["status"] for one in await worker.operations()] == ["started"]


async def test_who_lost_the_lease_can_write_nothing(rest: Web, worker: RemoteWorker) -> None:
    people = await People.begin(rest)
    await worker.take()
    kept = await worker.write("record", kind="step", name="load", value={"total": 200})
    await worker.say("Half of it", kept["op"])
    await lapse(rest, worker.turn)
    late: dict[str, dict[str, Any]] = {
        "append": {"chunks": [{"type": "text-start", "id": "late"}]},
        "call": {"tool": "look", "input": {}},
        "record": {"name": "late", "value": 1},
        "ask": {"kind": "question", "message": "Late?"},
        "wait": {},
        "finish": {},
        "release": {},
    }
    for taken in (False, True):
        if taken:
            second = RemoteWorker(rest, "worker-2")
            lease = await second.take()
            assert [one["key"] for one in lease["operations"]] == ["step:load:1"]
            assert lease["operations"][0]["value"] == {"total": 200}
        for verb, body in late.items():
            refused = await worker.send(verb, **body)
            assert (refused.status_code, refused.json()["code"]) == (409, "lease_over"), verb
    assert await people.text() == "", "what was streamed after the record is void"
    await second.say("All of it.")
    await second.write("finish")
    assert await people.text() == "All of it."


async def test_a_restart_of_the_store_gives_a_new_fence(rest: Web, worker: RemoteWorker) -> None:
    people = await People.begin(rest)
    lease = dict(await worker.take())
    await worker.say("Before. ")
    await rest.backend.door.claim("another-run-of-the-store")
    held = await worker.say("After.")
    assert (held["fence"] != lease["fence"], held["number"]) == (True, 1)
    late = {"fence": lease["fence"], "number": 3}
    old = await worker.ask("POST", f"turns/{worker.turn}/append", late)
    assert old.json()["code"] == "lease_over"
    await worker.write("finish")
    assert await people.text() == "Before. After."


# What is asked.


async def test_approved_then_run_once(rest: Web, worker: RemoteWorker) -> None:
    people = await People.begin(rest)
    await worker.take()
    asked = await worker.write("call", tool="refund", input={"amount": 5})
    assert (asked["do"], (await people.open())["id"]) == ("wait", asked["operation"]["interrupt"])
    await worker.write("wait")
    await people.answer({"approved": True, "reason": "Known."}, by="bob")
    lease = await worker.take()
    [known] = lease["operations"]
    assert (known["status"], known["decision"]["by"]["id"]) == ("waiting", "bob")
    approved = await worker.write("call", tool="refund", input={"amount": 5})
    assert (approved["do"], approved["operation"]["input"]) == ("run", {"amount": 5})
    key = approved["operation"]["idempotencyKey"]
    failed = await worker.write("result", key="tool:refund:1", error="The bank is closed.")
    assert (failed["operation"]["outcome"], failed["operation"]["reason"]) == ("failed", "The bank is closed.")
    assert failed["operation"]["idempotencyKey"] == key
    again = await worker.write("call", tool="refund", input={"amount": 5})
    assert (again["do"], again["operation"]["outcome"]) == ("go_on", "failed")


async def test_denied_with_its_reason(rest: Web, worker: RemoteWorker) -> None:
    people = await People.begin(rest)
    await worker.take()
    await worker.write("call", tool="refund", input={"amount": 5})
    await people.answer({"approved": False, "reason": "Too much."}, by="bob")
    assert (await worker.write("wait"))["status"] == "running", "it was answered before the worker let go"
    denied = await worker.write("call", tool="refund", input={"amount": 5})
    assert denied["do"] == "go_on"
    assert (denied["operation"]["outcome"], denied["operation"]["reason"]) == ("denied", "Too much.")
    assert denied["operation"]["decision"]["by"]["id"] == "bob"


async def test_other_arguments_under_an_old_yes_block_the_turn(rest: Web, worker: RemoteWorker) -> None:
    people = await People.begin(rest)
    await worker.take()
    await worker.write("call", tool="refund", input={"amount": 5})
    await people.answer({"approved": True})
    other = await worker.send("call", tool="refund", input={"amount": 5_000})
    assert (other.status_code, other.json()["code"]) == (500, "replay_diverged")
    assert (await people.turn())["status"] == "blocked"
    assert (await worker.send("append", number=3)).json()["code"] == "lease_over", "the blocking was write 2"


async def test_what_the_worker_says_of_a_call_cannot_take_back_its_manifest(rest: Web, worker: RemoteWorker) -> None:
    await worker.register(tool(approval=True), tool("open"), tool("free", approval=False))
    await People.begin(rest)
    await worker.take()
    assert (await worker.write("call", tool="refund", input={}, approval=False))["do"] == "wait"
    assert (await worker.write("call", tool="open", input={}))["do"] == "wait", "the default is to ask"
    assert (await worker.write("call", tool="open", input={}, nth=2, approval=False))["do"] == "run"
    said = {"required": True, "message": "Really?", "risk": "high"}
    asked = await worker.write("call", tool="free", input={}, approval=said)
    assert asked["do"] == "wait"


async def test_the_operators_policy_judges_here(store_url: str, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(
        '[[rules]]\naction = "auto_deny"\nmatch = { tool = "look" }\nreason = "Not on Sundays."\n'
        '[[rules]]\naction = "auto_approve"\nmatch = { tool = "refund", input = { amount = { lte = 50 } } }\n'
    )
    async with web(store_url, policy=str(policy)) as rest:
        worker = RemoteWorker(rest)
        await worker.register(tool(), tool("look", approval=False))
        people = await People.begin(rest)
        await worker.take()
        denied = await worker.write("call", tool="look", input={})
        assert (denied["do"], denied["operation"]["outcome"]) == ("go_on", "denied")
        assert denied["operation"]["reason"] == "Not on Sundays."
        assert (await worker.write("call", tool="refund", input={"amount": 50}))["do"] == "run"
        assert (await worker.write("call", tool="refund", input={"amount": 51}, nth=2))["do"] == "wait"
        part = (await people.snapshot())["messages"][-1]["parts"][0]
        assert part["state"] == "output-denied"


async def test_a_standing_yes_holds_here_too(rest: Web, worker: RemoteWorker) -> None:
    await worker.register(tool())
    people = await People.begin(rest)
    await worker.take()
    await worker.write("call", tool="refund", input={"amount": 5})
    won = await people.answer({"approved": True, "grant": {"scope": "session"}})
    assert won["outcome"] == "won", won
    allowed = await worker.write("call", tool="refund", input={"amount": 5}, nth=2)
    assert allowed["do"] == "run"


@pytest.mark.parametrize(
    ("asked", "payload", "outcome", "value"),
    [
        (
            {"kind": "question", "message": "Which one?", "options": ["a", "b"]},
            {"selected": ["b"]},
            "done",
            {"selected": ["b"], "text": None},
        ),
        (
            {
                "kind": "form",
                "message": "Who?",
                "schema": {"type": "object", "properties": {"name": {"type": "string"}}},
            },
            {"action": "accept", "content": {"name": "Ann"}},
            "done",
            {"name": "Ann"},
        ),
        ({"kind": "form", "message": "Pay", "url": "https://pay.example.com/1"}, {"action": "decline"}, "denied", None),
        ({"kind": "gate", "name": "deploy", "payload": {"to": "live"}}, {"approved": True}, "done", True),
        ({"kind": "gate", "name": "deploy"}, {"approved": False, "reason": "Friday."}, "denied", None),
    ],
)
async def test_people_are_asked(
    rest: Web, worker: RemoteWorker, asked: dict[str, Any], payload: Any, outcome: str, value: Any
) -> None:
    people = await People.begin(rest)
    await worker.take()
    assert (await worker.write("ask", **asked))["do"] == "wait"
    await people.answer(payload)
    answered = await worker.write("ask", **asked)
    assert (answered["do"], answered["operation"]["outcome"]) == ("go_on", outcome)
    assert answered["operation"].get("value") == value


async def test_a_device_runs_a_client_tool(rest: Web, worker: RemoteWorker) -> None:
    schema = {"type": "object", "properties": {"lat": {"type": "number"}}, "required": ["lat"]}
    await worker.register({**tool("where"), "kind": "client_tool", "outputSchema": schema})
    people = await People.begin(rest)
    await worker.take()
    assert (await worker.write("call", tool="where", input={}))["do"] == "wait"
    shown = await people.open()
    assert (shown["kind"], shown["responseSchema"]) == ("client_tool", schema)
    assert (await people.answer({"output": {}}))["code"] == "bad_input"
    await people.answer({"output": {"lat": 50.1}})
    found = await worker.write("call", tool="where", input={})
    assert (found["do"], found["operation"]["value"]) == ("go_on", {"lat": 50.1})


async def test_approvers_expiry_and_edited_arguments(rest: Web, worker: RemoteWorker) -> None:
    rules = {"approval": True, "approvers": {"roles": ["finance"]}, "editable": True, "expires": "1 h"}
    await worker.register(tool(**rules))
    people = await People.begin(rest)
    await worker.take()
    await worker.write("call", tool="refund", input={"amount": 5})
    shown = await people.open()
    assert (shown["approvers"]["roles"], shown["editable"]) == (["finance"], True)
    assert shown["expiresAt"] - shown["openedAt"] == 3_600_000
    assert (await people.answer({"approved": True}))["code"] == "forbidden"
    await people.answer({"approved": True, "input": {"amount": 4}}, by="fay", roles=["finance"])
    run = await worker.write("call", tool="refund", input={"amount": 5})
    assert (run["do"], run["operation"]["input"], run["operation"]["edited"]) == ("run", {"amount": 4}, True)


async def test_rules_for_one_call(rest: Web, worker: RemoteWorker) -> None:
    people = await People.begin(rest)
    await worker.take()
    rules = {"expires": "2 h", "onExpiry": "cancel", "approvers": {"subjects": ["bob"]}}
    ladder = [{"action": "remind", "after": "10 min"}]
    await worker.write("call", tool="refund", input={}, escalate=ladder, **rules)
    shown = await people.open()
    assert (shown["onExpiry"], shown["expiresAt"] - shown["openedAt"]) == ("cancel", 7_200_000)
    assert (shown["approvers"], shown["ladder"][0]["action"]) == ({"subjects": ["bob"]}, "remind")
    wrong = await worker.send("call", tool="refund", input={}, nth=2, expires="soon")
    assert (wrong.status_code, wrong.json()["code"]) == (422, "bad_input")


async def test_input_that_does_not_fit_reaches_nobody(rest: Web, worker: RemoteWorker) -> None:
    people = await People.begin(rest)
    await worker.take()
    wrong = await worker.write("call", tool="refund", input={"amount": "five"})
    assert (wrong["do"], wrong["operation"]["outcome"]) == ("go_on", "failed")
    assert "amount" in wrong["operation"]["reason"]
    assert (await people.snapshot())["interrupts"] == []
    unknown = await worker.send("call", tool="rm", input={})
    assert (unknown.status_code, unknown.json()["code"]) == (422, "bad_input")


# Crashes.


@pytest.mark.parametrize(("idempotent", "do"), [(True, "run"), (False, "wait")])
async def test_a_call_that_may_have_run(rest: Web, worker: RemoteWorker, idempotent: bool, do: str) -> None:
    tools = [tool(approval=False, idempotent=idempotent)]
    await worker.register(*tools)
    people = await People.begin(rest)
    await worker.take()
    assert (await worker.write("call", tool="refund", input={}))["do"] == "run"
    await lapse(rest, worker.turn)
    second = RemoteWorker(rest, "worker-2")
    assert (await second.register(*tools, version=worker.version)).status_code == 200, "it is what is served"
    await second.take()
    assert (await second.write("call", tool="refund", input={}))["do"] == do
    if do == "run":
        return
    doubt = await people.open()
    assert doubt["kind"] == "in_doubt"
    assert (await second.write("wait"))["status"] == "waiting"
    await people.answer({"ran": True, "result": "by hand"}, by="op", roles=["operator"])
    await second.take()
    known = await second.write("call", tool="refund", input={})
    assert (known["do"], known["operation"]["value"]) == ("go_on", "by hand")


async def test_what_was_streamed_and_not_recorded_is_taken_back(rest: Web, worker: RemoteWorker) -> None:
    people = await People.begin(rest)
    await worker.take()
    await worker.say("Hello. ", "stream:model:1")
    kept = await worker.write("record", kind="stream", name="model", value={"said": "Hello."})
    await worker.say("Half a sen", kept["op"])
    await worker.say("tence", "stream:model:2")
    assert await people.text() == "Hello. Half a sentence"
    await lapse(rest, worker.turn)
    second = RemoteWorker(rest, "worker-2")
    lease = await second.take()
    assert await people.text() == "Hello. "
    assert lease["number"] == 1, "the rewinding was its first write"
    known = await second.write("record", kind="stream", name="model", value={"said": "Other words."})
    assert known["operation"]["value"] == {"said": "Hello."}, "what is recorded stays"


async def test_text_without_a_name_is_void_too(rest: Web, worker: RemoteWorker) -> None:
    people = await People.begin(rest)
    await worker.take()
    await worker.write("record", name="load", value=1)
    await worker.say("Void.")
    await lapse(rest, worker.turn)
    await RemoteWorker(rest, "worker-2").take()
    assert await people.text() == ""


async def test_let_go_in_good_order(rest: Web, worker: RemoteWorker) -> None:
    await People.begin(rest)
    await worker.take()
    await worker.write("record", name="load", value=1)
    assert (await worker.write("release"))["status"] == "ready"
    second = RemoteWorker(rest, "worker-2")
    assert [one["key"] for one in (await second.take())["operations"]] == ["step:load:1"]


async def test_an_append_of_nothing_keeps_the_lease(rest: Web, worker: RemoteWorker) -> None:
    await People.begin(rest)
    await worker.take()
    door = rest.backend.door
    keys, partition = door.keys, door.keys.partition(session_of(worker.turn))

    async def ends_at() -> float:
        return float(await door.connection.execute("ZSCORE", keys.deadlines(partition), f"lease {worker.turn}") or 0)

    before = await ends_at()
    await door.connection.execute("HINCRBY", keys.meta(partition), "clock_offset_ms", 5_000)
    await worker.write("append")
    assert await ends_at() >= before + 5_000


# What others ask of the turn.


async def test_somebody_cancels(rest: Web, worker: RemoteWorker) -> None:
    people = await People.begin(rest)
    await worker.take()
    started = await worker.write("call", tool="look", input={})
    await rest.post(f"/v1/sessions/{people.session}/turns/{worker.turn}/cancel", {})
    ended = await worker.write("result", key=started["operation"]["key"], output=1)
    assert (ended["cancel"], ended["operation"]["outcome"]) == (True, "done"), "what is in flight is recorded"
    stopped = await worker.write("call", tool="look", input={}, nth=2)
    assert (stopped["do"], "operation" in stopped) == ("stop", False)
    await worker.write("finish", result="never mind")
    turn = await people.turn()
    assert (turn["status"], turn["end"]) == ("finished", "cancelled")


async def test_cancelled_while_it_lets_go(rest: Web, worker: RemoteWorker) -> None:
    people = await People.begin(rest)
    await worker.take()
    await worker.write("call", tool="refund", input={})
    await rest.post(f"/v1/sessions/{people.session}/turns/{worker.turn}/cancel", {})
    assert (await worker.write("wait"))["status"] == "finished"
    assert (await people.turn())["end"] == "cancelled"


async def test_steering_is_taken_in_once(rest: Web, worker: RemoteWorker) -> None:
    people = await People.begin(rest)
    await worker.take()
    assert (await worker.write("steering")).get("messages", []) == []
    said = {"message": "And A-18.", "mode": "steer"}
    assert (await rest.post(f"/v1/sessions/{people.session}/messages", said)).status_code == 201
    assert (await worker.write("append"))["steering"] == 1
    told = await worker.write("steering")
    assert [message["parts"][0]["text"] for message in told["messages"]] == ["And A-18."]
    assert "steering" not in told
    assert (await worker.write("steering"))["messages"] == told["messages"], "under one key, one answer"


async def test_a_failed_turn_says_why(rest: Web, worker: RemoteWorker) -> None:
    people = await People.begin(rest)
    await worker.take()
    await worker.write("finish", error={"message": "No model today."})
    turn = await people.turn()
    assert (turn["end"], turn["error"]) == ("failed", {"code": "agent_error", "message": "No model today."})


async def test_a_turn_sleeps(rest: Web, worker: RemoteWorker) -> None:
    await People.begin(rest)
    await worker.take()
    assert (await worker.write("sleep", duration="30 s"))["do"] == "wait"
    assert (await worker.write("wait"))["status"] == "waiting"
    door = rest.backend.door
    meta = door.keys.meta(door.keys.partition(session_of(worker.turn)))
    await door.connection.execute("HINCRBY", meta, "clock_offset_ms", 31_000)
    await worker.take()
    assert (await worker.write("sleep", duration="30 s"))["do"] == "go_on"


# Rights and bounds.


async def test_only_workers_may(rest: Web, worker: RemoteWorker) -> None:
    await People.begin(rest)
    lease = await worker.take()
    body = {"fence": lease["fence"], "number": 1}
    asks = [
        ("PUT", f"agents/{AGENT}", {}),
        ("POST", "leases", {"agents": [{"agent": AGENT}]}),
        ("POST", f"turns/{worker.turn}/append", body),
        ("POST", f"turns/{worker.turn}/finish", body),
        ("GET", f"turns/{worker.turn}/operations", None),
    ]
    rights = ("read", "send", "answer", "cancel", "mint", "admin")
    admin = {"Authorization": f"Bearer {token('root', can=rights, sessions=['*'])}"}
    for method, path, sent in asks:
        refused = await rest.ask(method, f"/v1/work/{path}", sent, by=None, headers=admin)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden"), path
    elsewhere = {"Authorization": f"Bearer {token('w', can=('work',), sessions=['other-*'])}"}
    for method, path, sent in asks[2:]:
        unseen = await rest.ask(method, f"/v1/work/{path}", sent, by=None, headers=elsewhere)
        assert (unseen.status_code, unseen.json()["code"]) == (404, "not_found"), path


async def test_a_worker_speaks_only_as_the_agents_of_its_token(rest: Web, worker: RemoteWorker) -> None:
    await People.begin(rest)
    lease = await worker.take()
    narrow = {"Authorization": f"Bearer {token('w', can=('work',), sessions=['*'], agents=['other-*'])}"}
    asks: list[tuple[str, str, Any]] = [
        ("PUT", f"agents/{AGENT}", {"version": "99"}),
        ("POST", "leases", {"agents": [{"agent": "other-1"}, {"agent": AGENT}]}),
        ("POST", f"turns/{worker.turn}/append", {"fence": lease["fence"], "number": 1}),
        ("GET", f"turns/{worker.turn}/operations", None),
    ]
    for method, path, sent in asks:
        refused = await rest.ask(method, f"/v1/work/{path}", sent, by=None, headers=narrow)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden"), path
    own = await rest.ask("PUT", "/v1/work/agents/other-1", {}, by=None, headers=narrow)
    assert own.status_code == 200


async def test_a_server_that_goes_away_lets_those_go_who_wait(rest: Web, worker: RemoteWorker) -> None:
    waiting = asyncio.create_task(worker.ask("POST", "leases", {"agents": [{"agent": AGENT}], "wait": "1 min"}))
    await wait_until(lambda: len(rest.server.drain) == 1, "it waits")
    await rest.server.drain.run()
    async with asyncio.timeout(8):
        assert (await waiting).status_code == 204


async def test_a_worker_gets_no_turn_of_sessions_that_are_not_its_own(rest: Web, worker: RemoteWorker) -> None:
    await People.begin(rest)
    elsewhere = {"Authorization": f"Bearer {token('w', can=('work',), sessions=['other-*'])}"}
    none = await rest.post("/v1/work/leases", {"agents": [{"agent": AGENT}]}, by=None, headers=elsewhere)
    assert none.status_code == 204


@pytest.mark.parametrize(
    ("verb", "body", "code"),
    [
        ("append", {"chunks": [{"type": "text-start", "id": "t"}] * 101}, "bad_request"),
        ("append", {"chunks": [{"type": "text-delta", "id": "t", "delta": "x" * 200_000}]}, "too_large"),
        ("append", {"chunks": [{"type": "tool-approval-request"}]}, "bad_input"),
        ("append", {"chunks": [{"no": "type"}]}, "bad_input"),
        ("append", {"fence": "none"}, "bad_request"),
        ("append", {"fence": "1-x:1"}, "lease_over"),
        ("append", {"number": 0}, "bad_request"),
        ("record", {"name": "x" * 201}, "bad_request"),
        ("ask", {"kind": "gate"}, "bad_input"),
        ("ask", {"kind": "form", "message": "Both?"}, "bad_input"),
        ("ask", {"kind": "question", "message": "When?", "expires": "soon"}, "bad_input"),
        ("sleep", {"duration": "7"}, "bad_request"),
        ("result", {"key": "tool:none:1"}, "not_found"),
        ("finish", {"result": "x" * 200_000}, "too_large"),
    ],
)
async def test_what_is_refused_changes_nothing(
    rest: Web, worker: RemoteWorker, verb: str, body: dict[str, Any], code: str
) -> None:
    people = await People.begin(rest)
    await worker.take()
    before = await people.events()
    refused = await worker.send(verb, **body)
    assert refused.json()["code"] == code, refused.text
    assert await people.events() == before
    assert (await worker.write("append"))["number"] == 1


@pytest.mark.parametrize(
    "manifest",
    [
        {"tools": [tool(expires="soon")]},
        {"tools": [{**tool(), "inputSchema": {"type": "no such type"}}]},
        {"tools": [tool(), tool()]},
        {"tools": [tool(f"t{n}") for n in range(201)]},
        {"version": "a@b"},
        {"tools": [tool(approval="true")]},
    ],
)
async def test_a_manifest_that_cannot_be_used(worker: RemoteWorker, manifest: dict[str, Any]) -> None:
    refused = await worker.ask("PUT", f"agents/{AGENT}", manifest)
    assert refused.json()["code"] in ("bad_input", "bad_request")


async def test_nobody_changes_the_rules_of_a_version_that_is_served(worker: RemoteWorker) -> None:
    first = await worker.ask("PUT", f"agents/{AGENT}", {"version": "2", "tools": [tool(approval=True)]})
    again = await worker.ask("PUT", f"agents/{AGENT}", {"version": "2", "tools": [tool(approval=True)]})
    other = await worker.ask("PUT", f"agents/{AGENT}", {"version": "2", "tools": [tool(approval=False)]})
    assert [first.status_code, again.status_code, other.status_code] == [200, 200, 409]
    assert other.json()["code"] == "already_exists"


@pytest.mark.parametrize("agent", ["a" * 201, "a@b", "a%20b"])
async def test_a_name_that_no_agent_can_have(worker: RemoteWorker, agent: str) -> None:
    refused = await worker.ask("PUT", f"agents/{agent}", {})
    assert (refused.status_code, refused.json()["code"]) == (422, "bad_input")


async def test_a_turn_that_begins_with_an_input_alone(rest: Web, worker: RemoteWorker) -> None:
    await rest.post("/v1/sessions", {"agent": AGENT, "input": {"order": "A-17"}})
    lease = await worker.take()
    assert (lease["input"], "message" in lease) == ({"order": "A-17"}, False)


async def test_a_share_of_what_passes_unasked_is_shown_afterwards(store_url: str, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('[[rules]]\naction = "auto_approve"\nmatch = { tool = "refund" }\nsample = 100\n')
    async with web(store_url, policy=str(policy)) as rest:
        worker = RemoteWorker(rest)
        await worker.register(tool())
        people = await People.begin(rest)
        await worker.take()
        assert (await worker.write("call", tool="refund", input={"amount": 5}))["do"] == "run"
        await worker.write("result", key="tool:refund:1", output=1)
        assert (await people.open())["toolName"] == "refund"


async def repeated(people: People, worker: RemoteWorker, verb: str, **body: Any) -> None:
    """Write it twice, as who got no reply does: the second is told what the first was, and nothing more happens."""
    first = await worker.write(verb, **body)
    before = await people.events()
    again = await worker.send(verb, number=first["number"], **body)
    assert (again.status_code, again.json()) == (200, first), verb
    assert await people.events() == before, verb


async def test_each_write_that_is_repeated_changes_nothing(rest: Web, worker: RemoteWorker) -> None:
    people = await People.begin(rest)
    await worker.take()
    await rest.post(f"/v1/sessions/{people.session}/messages", {"message": "And A-18.", "mode": "steer"})
    await repeated(people, worker, "append", chunks=[{"type": "text-start", "id": "t"}], progress=5)
    await repeated(people, worker, "record", name="load", value=1)
    await repeated(people, worker, "steering")
    await repeated(people, worker, "call", tool="look", input={})
    await repeated(people, worker, "result", key="tool:look:1", output=1)
    await repeated(people, worker, "call", tool="refund", input={})
    await repeated(people, worker, "ask", kind="question", message="Which one?")
    await repeated(people, worker, "sleep", duration="7 days")
    await repeated(people, worker, "wait")


@pytest.mark.parametrize("verb", ["release", "finish"])
async def test_an_end_that_is_repeated_changes_nothing(rest: Web, worker: RemoteWorker, verb: str) -> None:
    people = await People.begin(rest)
    await worker.take()
    await repeated(people, worker, verb)
