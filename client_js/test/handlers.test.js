import assert from "node:assert/strict";
import { test } from "node:test";

import { connect } from "../src/index.js";
import { Peer, settled, stopClock } from "./peer.js";

const call = (more) => ({
  id: "i1",
  kind: "client_tool",
  session: "s1",
  turn: "t1",
  reason: "holdfast:client_tool",
  toolCallId: "c1",
  toolName: "location",
  input: { accuracy: "low" },
  ...more,
});
const asked = (more) => ({ type: "interrupt.opened", interrupt: call(more) });
const updated = (changes) => ({ type: "interrupt.updated", interrupt: "i1", changes });
const closed = { type: "interrupt.closed", interrupt: "i1", decision: { status: "cancelled", payload: null } };
const LAPTOP = { by: { kind: "person", id: "alice" }, at: 1, until: 2, device: "laptop" };

/** A device with a server that grants each claim and progress, unless `claims` is what it says instead. */
const attached = async (t, claims) => {
  const peer = new Peer();
  const client = connect({ url: "https://x", token: "secret", WebSocket: peer.WebSocket });
  client.session("s1").subscribe(() => {});
  t.after(() => client.close());
  const grants = { claims };
  peer.onframe = ({ type, ref }) => {
    if (type === "claim" || type === "progress") {
      queueMicrotask(() => peer.say({ type: "ok", ...grants.claims, ref }));
    }
  };
  await settled();
  peer.welcome();
  peer.attach();
  return { peer, client, grants, payloads: () => peer.sent("answer").map(({ payload }) => payload) };
};

/** A handler that works until it is let. */
const working = () => {
  const given = [];
  const handler = (_input, context) => new Promise((resolve, reject) => given.push({ resolve, reject, ...context }));
  return { given, handler };
};

for (const [name, handler, payload] of [
  ["what it gives", ({ accuracy }) => ({ accuracy, lat: 1 }), { output: { accuracy: "low", lat: 1 } }],
  ["what it promises", async () => 0, { output: 0 }],
  ["false", () => false, { output: false }],
  ["an empty text", () => "", { output: "" }],
  ["null, if it gives nothing", () => {}, { output: null }],
  [
    "what it throws",
    () => {
      throw new Error("No permission.");
    },
    { error: "No permission." },
  ],
  ["what it rejects with", () => Promise.reject("never"), { error: "never" }],
]) {
  test(`a call of a client tool is claimed, and answered with ${name}`, async (t) => {
    const { peer, client, payloads } = await attached(t);
    client.handle("location", handler);
    peer.event(1, asked());
    await settled();
    assert.deepEqual(payloads(), [payload]);
    const [{ device }] = peer.sent("claim");
    assert.ok(device);
    assert.equal(peer.sent("answer")[0].device, device);
  });
}

test("a call that was open before there was a handler is run", async (t) => {
  const { peer, client, payloads } = await attached(t);
  peer.event(1, asked());
  client.handle("*", () => "here");
  await settled();
  assert.deepEqual(payloads(), [{ output: "here" }]);
});

test("a call is run once, whatever happens to the connection", async (t) => {
  const { peer, client } = await attached(t);
  let runs = 0;
  client.handle("location", () => ++runs);
  peer.event(1, asked());
  await settled();
  const [{ device }] = peer.sent("claim");
  peer.event(2, updated({ claim: { ...LAPTOP, device } }));
  await settled();
  peer.attach(3, { interrupts: [call()] });
  await settled();
  assert.equal(runs, 1);
});

for (const [name, more] of [
  ["another tool", { toolName: "camera" }],
  ["another kind", { kind: "approval" }],
  ["somebody else", { approvers: { subjects: ["bob"] } }],
  ["another device, which does it", { claim: LAPTOP }],
]) {
  test(`a call for ${name} is not run`, async (t) => {
    const { peer, client } = await attached(t);
    client.handle("location", () => "here");
    peer.event(1, asked(more));
    await settled();
    assert.deepEqual([peer.sent("claim"), peer.sent("answer")], [[], []]);
  });
}

test("a handler that was taken away runs nothing", async (t) => {
  const { peer, client, payloads } = await attached(t);
  client.handle("location", () => "here")();
  peer.event(1, asked());
  await settled();
  assert.deepEqual(payloads(), []);
});

test("a claim that was refused waits, and takes over when an event says that it is free", async (t) => {
  stopClock(t);
  const refused = { type: "error", code: "conflict", message: "taken", retry: false, details: { claim: LAPTOP } };
  const { peer, client, grants, payloads } = await attached(t, refused);
  client.handle("location", () => "here");
  peer.event(1, asked());
  await settled();
  peer.event(2, updated({ claim: LAPTOP }));
  t.mock.timers.tick(500);
  await settled();
  assert.equal(peer.sent("claim").length, 1);
  grants.claims = {};
  peer.event(3, updated({ claim: null }));
  await settled();
  assert.deepEqual(payloads(), [{ output: "here" }]);
});

test("while it runs it is claimed again and again, and at once over another connection", async (t) => {
  stopClock(t);
  const { peer, client, payloads } = await attached(t);
  const { given, handler } = working();
  client.handle("location", handler);
  peer.event(1, asked());
  await settled();
  t.mock.timers.tick(10_000);
  await settled();
  assert.equal(peer.sent("claim").length, 2);
  peer.drop();
  t.mock.timers.tick(1_000);
  await settled();
  peer.welcome();
  peer.replay(1);
  await settled();
  assert.equal(peer.sent("claim").length, 1);
  given[0].resolve("here");
  await settled();
  assert.deepEqual([given.length, payloads()], [1, [{ output: "here" }]]);
  t.mock.timers.tick(10_000);
  assert.equal(peer.sent("claim").length, 1);
});

test("progress is told, the last of what is said at once", async (t) => {
  stopClock(t);
  const { peer, client } = await attached(t);
  const { given, handler } = working();
  client.handle("location", handler);
  peer.event(1, asked());
  await settled();
  for (const percent of [1, 2, 3]) given[0].progress(percent);
  t.mock.timers.tick(0);
  await settled();
  given[0].progress(99);
  t.mock.timers.tick(500);
  await settled();
  assert.deepEqual(peer.sent("progress").map(({ progress }) => progress), [3]);
  t.mock.timers.tick(100);
  await settled();
  assert.deepEqual(peer.sent("progress").map(({ progress }) => progress), [3, 99]);
});

test("a call that another device has taken over is stopped, and its error is not told", async (t) => {
  stopClock(t);
  const { peer, client, grants, payloads } = await attached(t);
  const { given, handler } = working();
  client.handle("location", handler);
  peer.event(1, asked());
  await settled();
  grants.claims = { type: "error", code: "conflict", message: "taken", retry: false };
  t.mock.timers.tick(10_000);
  await settled();
  assert.ok(given[0].signal.aborted);
  given[0].reject(new Error("stopped"));
  await settled();
  assert.deepEqual(payloads(), []);
});

test("a call that was settled elsewhere is stopped, and not answered", async (t) => {
  const { peer, client, payloads } = await attached(t);
  const { given, handler } = working();
  client.handle("location", handler);
  peer.event(1, asked());
  await settled();
  assert.equal(given[0].interrupt.id, "i1");
  peer.event(2, closed);
  await settled();
  assert.ok(given[0].signal.aborted);
  given[0].resolve("late");
  await settled();
  assert.deepEqual(payloads(), []);
});

test("the agent is told when the output of a tool is refused", async (t) => {
  const { peer, client, payloads } = await attached(t);
  client.handle("location", () => "here");
  peer.event(1, asked());
  await settled();
  const [{ ref }] = peer.sent("answer");
  peer.say({ type: "error", ref, code: "bad_input", message: "payload.output: must be an object", retry: false });
  await settled();
  assert.deepEqual(payloads().at(-1), { error: "payload.output: must be an object" });
});
