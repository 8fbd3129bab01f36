/** A session that is followed: what is shown, and what becomes of losses, holes and gaps. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { connect } from "../src/index.js";
import { attached, begin, delta, opened, reconnected, started, text, user } from "./attached.js";
import { Peer, settled, stopClock } from "./peer.js";

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
