import assert from "node:assert/strict";
import { test } from "node:test";

import { connect } from "../src/index.js";
import { Peer, settled, stopClock } from "./peer.js";

const text = (value, state) => ({ type: "text", text: value, ...(state && { state }) });
const user = (id, value) => ({ type: "message", message: { id, role: "user", parts: [text(value)] } });
const started = { type: "turn.started", turn: "t1", agent: "support", message: "m1" };
const chunk = (more) => ({ type: "chunk", turn: "t1", message: "m1", chunk: more });
const begin = chunk({ type: "text-start", id: "0" });
const delta = (value) => chunk({ type: "text-delta", id: "0", delta: value });
const approval = (more) => ({
  id: "i1",
  kind: "approval",
  session: "s1",
  turn: "t1",
  reason: "tool_call",
  toolCallId: "c1",
  toolName: "refund",
  openedAt: 1,
  ...more,
});
const opened = (more) => ({ type: "interrupt.opened", interrupt: approval(more) });
const decision = (approved, by = "bob") => ({
  status: "resolved",
  payload: { approved },
  by: { kind: "person", id: by },
  via: "websocket",
  at: 1,
  ref: null,
});

/** A client, connected, and its session "s1", attached and empty. */
const attached = async (t, { seq = 0, snapshot, principal, ...options } = {}) => {
  stopClock(t);
  const peer = new Peer();
  const client = connect({ url: "https://x", token: "secret", WebSocket: peer.WebSocket, ...options });
  const session = client.session("s1");
  let calls = 0;
  const off = session.subscribe(() => calls++);
  await settled();
  peer.welcome(principal);
  peer.attach(seq, snapshot);
  return { peer, client, session, off, calls: () => calls, shown: session.getSnapshot };
};

/** Loses the connection and has a new one, not attached yet. */
const reconnected = async (t, peer, code) => {
  peer.drop(code);
  t.mock.timers.tick(20_000);
  await settled();
  peer.welcome();
};

// ---------------------------------------------------------------- following

test("a session is attached when somebody subscribes, and the same object each time", async (t) => {
  stopClock(t);
  const peer = new Peer();
  const client = connect({ url: "https://x", token: "secret", WebSocket: peer.WebSocket });
  const session = client.session("s1");
  assert.equal(client.session("s1"), session);
  await settled();
  peer.welcome();
  assert.deepEqual(peer.sent("attach"), []);
  assert.equal(session.getSnapshot().connection, "connecting");
  session.subscribe(() => {});
  await settled();
  assert.deepEqual(peer.sent("attach").map(({ session, since }) => [session, since]), [["s1", undefined]]);
  peer.attach(4, { messages: [user("u1", "Hi").message], places: { u1: { first: 1, at: 1 } } });
  assert.equal(session.getSnapshot().connection, "live");
  assert.equal(session.getSnapshot().messages[0].parts[0].text, "Hi");
});

test("who subscribes before the connection is there is attached when it is", async (t) => {
  const { peer, shown } = await attached(t);
  assert.equal(peer.sent("attach").length, 1);
  assert.equal(shown().connection, "live");
});

test("events are folded, and told once for all that came together", async (t) => {
  const { peer, shown, calls } = await attached(t);
  await settled();
  const before = calls();
  for (const [i, event] of [started, begin, delta("Look"), delta("ing")].entries()) peer.event(i + 1, event);
  assert.deepEqual(shown().messages[0].parts, [{ ...text("Looking", "streaming"), id: "0" }]);
  assert.equal(shown().turn.status, "running");
  await settled();
  assert.equal(calls(), before + 1);
});

test("a message leads to its turn: the one that it causes, or that writes it", async (t) => {
  const { peer, session } = await attached(t);
  peer.event(1, { ...user("u1", "Refund, please"), turn: "t1" });
  for (const [i, event] of [started, begin, delta("Yes")].entries()) peer.event(i + 2, event);
  assert.deepEqual(["u1", "m1", "u2"].map(session.turnOf), ["t1", "t1", undefined]);
});

test("a snapshot is the same object until something changed, and so are its parts", async (t) => {
  const { peer, shown } = await attached(t);
  peer.event(1, user("u1", "Hi"));
  peer.event(2, opened());
  const before = shown();
  assert.equal(shown(), before);
  peer.event(3, started);
  const after = shown();
  assert.notEqual(after, before);
  assert.equal(after.messages, before.messages);
  assert.equal(after.interrupts, before.interrupts);
  assert.equal(after.unsent, before.unsent);
  assert.equal(after.state, before.state);
  peer.event(4, user("u2", "?"));
  assert.equal(shown().messages[0], before.messages[0]);
  assert.equal(shown().interrupts[0], before.interrupts[0]);
});

test("after a loss it goes on from where it was, and is live when it has caught up", async (t) => {
  const { peer, shown } = await attached(t, { seq: 2 });
  peer.event(3, user("u1", "Hi"));
  await reconnected(t, peer);
  assert.equal(shown().connection, "reconnecting");
  assert.equal(shown().messages.length, 1);
  assert.deepEqual(peer.sent("attach")[0].since, { epoch: "e1", seq: 3 });
  peer.replay(5);
  peer.event(4, user("u2", "?"));
  assert.equal(shown().connection, "reconnecting");
  peer.event(5, user("u3", "!"));
  assert.equal(shown().connection, "live");
  assert.deepEqual(shown().messages.map(({ id }) => id), ["u1", "u2", "u3"]);
});

test("what comes again is not shown again", async (t) => {
  const { peer, shown } = await attached(t);
  for (const seq of [1, 2, 3, 2, 3, 4]) peer.event(seq, [started, begin, delta("a"), delta("b")][seq - 1]);
  assert.equal(shown().messages[0].parts[0].text, "ab");
});

test("an event after a hole is asked for, not shown", async (t) => {
  const { peer, shown } = await attached(t);
  peer.event(1, user("u1", "Hi"));
  peer.event(3, user("u3", "!"));
  assert.deepEqual(peer.sent("attach").at(-1).since, { epoch: "e1", seq: 1 });
  peer.event(4, user("u4", "?"));
  assert.equal(peer.sent("attach").length, 2);
  assert.equal(shown().messages.length, 1);
  peer.replay(4);
  for (const seq of [2, 3, 4]) peer.event(seq, user(`u${seq}`, "."));
  assert.deepEqual(shown().messages.map(({ id }) => id), ["u1", "u2", "u3", "u4"]);
});

test("a hole that an event stands for is none", async (t) => {
  const { peer, shown } = await attached(t);
  peer.event(1, started);
  const whole = { id: "m1", role: "assistant", parts: [text("Looking", "done")] };
  peer.event(7, { type: "message", message: whole, turn: "t1", first: 2 }, { from: 2 });
  assert.equal(peer.sent("attach").length, 1);
  assert.deepEqual(shown().messages, [whole]);
});

test("joining in mid-message and getting its whole shows it once", async (t) => {
  const half = { id: "m1", role: "assistant", parts: [{ ...text("Loo", "streaming"), id: "0" }] };
  const { peer, shown } = await attached(t, {
    seq: 4,
    snapshot: { messages: [half], places: { m1: { first: 2, at: 40, turn: "t1" } } },
  });
  peer.event(5, delta("king"));
  assert.equal(shown().messages[0].parts[0].text, "Looking");
  peer.event(9, { type: "message", message: half, turn: "t1", first: 2 }, { from: 6 });
  assert.deepEqual(shown().messages, [half]);
});

test("a gap is a new beginning: the snapshot replaces what is there", async (t) => {
  const { peer, shown } = await attached(t);
  peer.event(1, user("u1", "Hi"));
  await reconnected(t, peer);
  const at = { epoch: "e2", seq: 1 };
  peer.say({ type: "gap", session: "s1", requested: at, earliest: at });
  peer.attach(90, { messages: [user("u9", "New").message], places: { u9: { first: 80, at: 1 } } }, { epoch: "e2" });
  assert.deepEqual(shown().messages.map(({ id }) => id), ["u9"]);
  await reconnected(t, peer);
  assert.deepEqual(peer.sent("attach")[0].since, { epoch: "e2", seq: 90 });
});

test("a page that changes its view stays attached, one that leaves does not", async (t) => {
  const { peer, session, off, shown } = await attached(t);
  off();
  t.mock.timers.tick(4_000);
  const again = session.subscribe(() => {});
  t.mock.timers.tick(10_000);
  assert.deepEqual(peer.sent("detach"), []);
  again();
  again();
  t.mock.timers.tick(5_000);
  assert.deepEqual(peer.sent("detach"), [{ type: "detach", session: "s1" }]);
  assert.equal(shown().connection, "reconnecting");
  await reconnected(t, peer);
  assert.deepEqual(peer.sent("attach"), []);
  session.subscribe(() => {});
  assert.deepEqual(peer.sent("attach")[0].since, { epoch: "e1", seq: 0 });
});

test("who attaches without subscribing stays attached until detaching", async (t) => {
  const { peer, session, off } = await attached(t);
  session.attach();
  off();
  t.mock.timers.tick(10_000);
  assert.deepEqual(peer.sent("detach"), []);
  session.detach();
  assert.equal(peer.sent("detach").length, 1);
});

test("a session that nobody looks at is not tried again", async (t) => {
  const { peer, off } = await attached(t);
  const { ref } = peer.sent("attach")[0];
  t.mock.method(Math, "random", () => 1);
  off();
  t.mock.timers.tick(4_000);
  peer.say({ type: "error", ref, code: "busy", message: "Busy.", retry: true });
  t.mock.timers.tick(20_000);
  assert.equal(peer.sent("attach").length, 1);
  assert.equal(peer.sent("detach").length, 1);
});

test("the devices present are shown, and nobody's after a loss", async (t) => {
  const { peer, shown } = await attached(t);
  const devices = [{ connection: "c1", subject: "alice" }];
  peer.say({ type: "presence", session: "s1", devices });
  assert.deepEqual(shown().devices, devices);
  peer.drop();
  assert.deepEqual(shown().devices, []);
});

for (const where of ["under the ref of the attach", "for the session, later"]) {
  test(`a session that cannot be followed says why: ${where}`, async (t) => {
    const { peer, shown } = await attached(t);
    const { ref } = peer.sent("attach")[0];
    const error = { type: "error", code: "gone", message: "The session was deleted.", retry: false };
    peer.say(where.startsWith("under") ? { ...error, ref } : { ...error, details: { session: "s1" } });
    assert.equal(shown().connection, "stopped");
    assert.equal(shown().error.code, "gone");
  });
}

test("a session that cannot be followed now is tried again", async (t) => {
  const { peer, shown } = await attached(t);
  const { ref } = peer.sent("attach")[0];
  peer.say({ type: "error", ref, code: "busy", message: "Busy.", retry: true });
  assert.equal(shown().connection, "reconnecting");
  t.mock.timers.tick(20_000);
  assert.equal(peer.sent("attach").length, 2);
});

test("a final close stops everything, and says why", async (t) => {
  const { peer, session, client, shown } = await attached(t);
  const reply = session.send("Hi");
  peer.drop(4500, "No token, or one that cannot be trusted.");
  await assert.rejects(reply, { code: "unauthenticated", retry: false });
  await assert.rejects(session.send("Hello?"), { code: "unauthenticated" });
  assert.equal(shown().connection, "stopped");
  assert.equal(shown().error.details.code, 4500);
  t.mock.timers.tick(100_000);
  assert.equal(peer.sockets.length, 1);
  client.close();
});

// ---------------------------------------------------------------- answering

test("an answer is bound to what was shown, and says who won", async (t) => {
  const { peer, session, shown } = await attached(t);
  peer.event(1, opened());
  const reply = session.approve("i1", { reason: "ok", input: { amount: 1 } });
  const [{ ref, ...frame }] = peer.sent("answer");
  assert.deepEqual(frame, {
    type: "answer",
    session: "s1",
    interrupt: "i1",
    status: "resolved",
    payload: { reason: "ok", input: { amount: 1 }, approved: true },
  });
  assert.ok(shown().interrupts[0].sending);
  peer.say({ type: "answered", ref, outcome: "lost", interrupt: "i1", decision: decision(false) });
  assert.deepEqual(await reply, { outcome: "lost", interrupt: "i1", decision: decision(false) });
  assert.deepEqual(shown().interrupts[0].decision, decision(false));
  assert.ok(!shown().interrupts[0].sending);
  assert.ok(!shown().interrupts[0].canAnswer);
});

for (const [name, more, seen] of [
  ["the proposed arguments", {}, "h1"],
  ["those that a voter put in their place", { edited: { input: { amount: 1 }, inputHash: "h2" } }, "h2"],
]) {
  test(`a yes says that it saw ${name}`, async (t) => {
    const { peer, session } = await attached(t);
    peer.event(1, opened({ inputHash: "h1", ...more }));
    session.approve("i1");
    assert.deepEqual(peer.sent("answer")[0].payload, { inputHash: seen, approved: true });
  });
}

test("nobody can make a no into a yes by passing more", async (t) => {
  const { peer, session } = await attached(t);
  session.deny("i1", /** @type {any} */ ({ approved: true, reason: "no" }));
  assert.deepEqual(peer.sent("answer")[0].payload, { approved: false, reason: "no" });
});

test("an answer given while offline is sent once it can be, under one ref", async (t) => {
  const { peer, session, shown } = await attached(t);
  peer.event(1, opened());
  peer.drop();
  const reply = session.deny("i1", { reason: "no" });
  assert.ok(shown().interrupts[0].sending);
  t.mock.timers.tick(20_000);
  await settled();
  peer.welcome();
  const [{ ref }] = peer.sent("answer");
  await reconnected(t, peer);
  assert.deepEqual(peer.sent("answer").map((frame) => frame.ref), [ref]);
  peer.replay(1);
  assert.ok(shown().interrupts[0].sending);
  peer.say({ type: "answered", ref, outcome: "won", decision: decision(false, "alice") });
  assert.equal((await reply).outcome, "won");
});

test("a card closes when somebody else answers", async (t) => {
  const { peer, shown } = await attached(t);
  peer.event(1, opened());
  assert.ok(shown().interrupts[0].canAnswer);
  peer.event(2, { type: "interrupt.closed", interrupt: "i1", decision: decision(true) });
  assert.ok(!shown().interrupts[0].canAnswer);
  assert.equal(shown().interrupts[0].decision.by.id, "bob");
});

for (const [approvers, principal, can] of [
  [undefined, {}, true],
  [{}, {}, true],
  [undefined, { can: ["read", "send"] }, false],
  [undefined, { can: ["admin"] }, true],
  [{ roles: ["manager"] }, {}, false],
  [{ roles: ["manager"] }, { roles: ["manager"] }, true],
  [{ subjects: ["bob"] }, {}, false],
  [{ subjects: ["alice"], roles: ["manager"] }, {}, true],
  [{ subjects: ["alice"], notRequester: true }, {}, false],
  [{ roles: ["manager"], members: true }, {}, true],
]) {
  test(`${JSON.stringify(principal)} may answer what is for ${JSON.stringify(approvers)}: ${can}`, async (t) => {
    const { peer, shown } = await attached(t, { principal });
    peer.event(1, opened({ approvers, requester: "alice" }));
    assert.equal(shown().interrupts[0].canAnswer, can);
  });
}

for (const [who, approvers, can] of [
  ["a deputy", { roles: ["finance"] }, true],
  ["a deputy", { subjects: ["fay"] }, true],
  ["a deputy", { roles: ["manager"] }, false],
  ["a deputy of who asked", { roles: ["finance"], notRequester: true }, false],
  ["a deputy of who is back", { roles: ["finance"] }, false],
]) {
  test(`${who} may answer what is for ${JSON.stringify(approvers)}: ${can}`, async (t) => {
    const until = /back/.test(who) ? -1 : Date.now() + 60_000; // the clock of a test begins at 0
    const deputyFor = [{ subject: "fay", roles: ["finance"], until }];
    const { peer, shown } = await attached(t, { principal: { deputyFor } });
    peer.event(1, opened({ approvers, requester: "fay" }));
    assert.equal(shown().interrupts[0].canAnswer, can);
  });
}

test("an update answers by tool call, with one result each", async (t) => {
  const { peer, session, shown } = await attached(t);
  peer.event(1, opened());
  const reply = session.update("m1", [{ type: "tool-approval-response", toolCallId: "c1", approved: true }]);
  assert.ok(shown().interrupts[0].sending);
  const [{ ref, message }] = peer.sent("update");
  assert.equal(message, "m1");
  const results = [{ toolCallId: "c1", outcome: "won", interrupt: "i1" }];
  peer.say({ type: "updated", ref, results });
  assert.deepEqual(await reply, results);
});

test("a cancel names the turn that was shown, also when it is sent later", async (t) => {
  const { peer, session } = await attached(t);
  peer.event(1, started);
  peer.drop();
  const reply = session.cancel();
  t.mock.timers.tick(20_000);
  await settled();
  peer.welcome();
  const [{ ref, turn }] = peer.sent("cancel");
  assert.equal(turn, "t1");
  peer.say({ type: "ok", ref });
  await reply;
});

// ---------------------------------------------------------------- sending

test("a message is shown as unsent until it comes back in the log", async (t) => {
  const { peer, session, shown } = await attached(t);
  peer.drop();
  const reply = session.send("Refund A-17");
  assert.deepEqual(shown().unsent.map(({ role, parts }) => [role, parts]), [["user", [text("Refund A-17")]]]);
  t.mock.timers.tick(20_000);
  await settled();
  peer.welcome();
  const [{ ref, message }] = peer.sent("send");
  peer.replay(1);
  peer.event(1, { type: "message", message, turn: "t1" });
  assert.deepEqual(shown().unsent, []);
  assert.equal(shown().messages.length, 1);
  peer.say({ type: "ok", ref, seq: 1, turn: "t1" });
  assert.deepEqual(await reply, { turn: "t1", seq: 1 });
});

test("a message may have files, metadata and a mode", async (t) => {
  const { peer, session } = await attached(t);
  const parts = [{ type: "file", url: "data:,", mediaType: "text/plain" }];
  session.send({ parts, metadata: { lang: "en" } }, { mode: "steer" });
  const [{ ref, message, mode }] = peer.sent("send");
  assert.deepEqual(message, { id: ref, role: "user", parts, metadata: { lang: "en", ref } });
  assert.equal(mode, "steer");
});

test("a session is started, and is the one that the server names", async (t) => {
  const { peer, client } = await attached(t);
  const reply = client.start("support", { message: "Hi", title: "Refund", input: { order: "A-17" } });
  const [{ ref, message, ...frame }] = peer.sent("start");
  assert.deepEqual(frame, { type: "start", agent: "support", title: "Refund", input: { order: "A-17" } });
  assert.deepEqual(message.parts, [text("Hi")]);
  peer.say({ type: "ok", ref, session: "s9", epoch: "e1", seq: 2 });
  assert.equal((await reply).id, "s9");
  assert.equal(client.session("s9"), await reply);
});

// ---------------------------------------------------------------- older messages

const past = { from: 1, to: 4, more: false, events: [{ seq: 3, at: 1, event: { ...user("u1", "Old"), first: 3 } }] };

test("older messages are loaded before what is there, once however often it is asked", async (t) => {
  const snapshot = { messages: [user("u2", "New").message], places: { u2: { first: 5, at: 1 } }, more: true, before: 5 };
  const { peer, session, shown } = await attached(t, { seq: 5, snapshot });
  assert.ok(shown().hasOlder);
  const replies = [session.loadOlder(), session.loadOlder()];
  assert.deepEqual(peer.sent("history").map(({ before }) => before), [5]);
  peer.say({ type: "page", ref: peer.sent("history")[0].ref, session: "s1", ...past });
  assert.deepEqual(await Promise.all(replies), [false, false]);
  assert.deepEqual(shown().messages.map(({ id }) => id), ["u1", "u2"]);
  assert.ok(!shown().hasOlder);
  assert.equal(await session.loadOlder(), false);
});

test("a page is dropped if what it was next to is gone", async (t) => {
  const { peer, session, shown } = await attached(t, { seq: 5, snapshot: { more: true, before: 5 } });
  const reply = session.loadOlder();
  await reconnected(t, peer);
  peer.attach(99, { more: true, before: 90 }, { epoch: "e2" });
  peer.say({ type: "page", ref: peer.sent("history")[0].ref, session: "s1", ...past });
  assert.equal(await reply, true);
  assert.deepEqual(shown().messages, []);
});

// ---------------------------------------------------------------- promise 9, on the device

/** A small random generator, so that a failure can be had again. */
const random = (seed) => () => {
  seed = (seed + 0x6d2b79f5) | 0;
  let value = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
  return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
};

for (const seed of [1, 2, 3, 4, 5]) {
  test(`every character once, however often the connection breaks (seed ${seed})`, async (t) => {
    const { peer, shown } = await attached(t);
    const chance = random(seed);
    const log = [started, begin];
    const expected = Array.from({ length: 1_000 }, (_, i) => `${i} `);
    for (const value of expected) log.push(delta(value));
    let told = 0; // by this connection
    let head = 0;
    /** All that is new up to the head, now and then with an old one again or with one missing. */
    const tell = () => {
      while (told < head) {
        told++;
        if (chance() < 0.02) continue;
        const old = Math.ceil(chance() * told);
        if (chance() < 0.05) peer.event(old, log[old - 1]);
        peer.event(told, log[told - 1]);
      }
    };
    /** Answers an attach that is waiting. */
    const answer = (attaches) => {
      if (peer.sent("attach").length === attaches) return;
      told = peer.sent("attach").at(-1).since?.seq ?? 0;
      peer.replay(head);
    };
    while (shown().messages[0]?.parts[0]?.text !== expected.join("") || head < log.length) {
      head = Math.min(log.length, head + Math.ceil(chance() * 30));
      const attaches = peer.sent("attach").length;
      tell();
      answer(attaches);
      if (chance() < 0.3) {
        await reconnected(t, peer);
        answer(0);
      }
    }
    assert.equal(shown().messages.length, 1);
  });
}

test("without a WebSocket it is said at once what is missing", (t) => {
  const own = globalThis.WebSocket;
  t.after(() => (globalThis.WebSocket = own));
  globalThis.WebSocket = undefined;
  assert.throws(() => connect({ url: "https://x" }), { name: "HoldfastError", message: /pass `WebSocket`/ });
});

test("the connection is told of though no session is followed", async (t) => {
  stopClock(t);
  const peer = new Peer();
  const told = [];
  const onchange = (live, error) => told.push([!!live, error?.code]);
  connect({ url: "https://x", token: "secret", WebSocket: peer.WebSocket, onchange });
  await settled();
  peer.welcome();
  await reconnected(t, peer);
  peer.drop(4500);
  assert.deepEqual(told, [
    [true, undefined],
    [false, undefined],
    [true, undefined],
    [false, "unauthenticated"],
  ]);
});
