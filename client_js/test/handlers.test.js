import assert from "node:assert/strict";
import { test } from "node:test";

import { connect } from "../src/index.js";
import { Peer, settled } from "./peer.js";

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
const closed = { type: "interrupt.closed", interrupt: "i1", decision: { status: "cancelled", payload: null } };

const attached = async (t) => {
  const peer = new Peer();
  const client = connect({ url: "https://x", token: "secret", WebSocket: peer.WebSocket });
  client.session("s1").subscribe(() => {});
  t.after(() => client.close());
  await settled();
  peer.welcome();
  peer.attach();
  return { peer, client, payloads: () => peer.sent("answer").map(({ payload }) => payload) };
};

for (const [name, handler, payload] of [
  ["what it gives", ({ accuracy }) => ({ accuracy, lat: 1 }), { output: { accuracy: "low", lat: 1 } }],
  ["what it promises", async () => 0, { output: 0 }],
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
  test(`a call of a client tool is answered with ${name}`, async (t) => {
    const { peer, client, payloads } = await attached(t);
    client.handle("location", handler);
    peer.event(1, asked());
    await settled();
    assert.deepEqual(payloads(), [payload]);
  });
}

test("a call that was open before there was a handler is run", async (t) => {
  const { peer, client, payloads } = await attached(t);
  peer.event(1, asked());
  client.handle("location", () => "here");
  await settled();
  assert.deepEqual(payloads(), [{ output: "here" }]);
});

test("a call is run once, whatever happens to the connection", async (t) => {
  const { peer, client } = await attached(t);
  let runs = 0;
  client.handle("location", () => ++runs);
  peer.event(1, asked());
  peer.event(2, { type: "interrupt.updated", interrupt: "i1", changes: { claim: { by: "bob" } } });
  await settled();
  peer.attach(3, { interrupts: [call()] });
  await settled();
  assert.equal(runs, 1);
});

for (const [name, more] of [
  ["another tool", { toolName: "camera" }],
  ["another kind", { kind: "approval" }],
  ["somebody else", { approvers: { subjects: ["bob"] } }],
]) {
  test(`a call for ${name} is not run`, async (t) => {
    const { peer, client, payloads } = await attached(t);
    client.handle("location", () => "here");
    peer.event(1, asked(more));
    await settled();
    assert.deepEqual(payloads(), []);
  });
}

test("a handler that was taken away runs nothing", async (t) => {
  const { peer, client, payloads } = await attached(t);
  client.handle("location", () => "here")();
  peer.event(1, asked());
  await settled();
  assert.deepEqual(payloads(), []);
});

test("a call that was settled elsewhere is stopped, and not answered", async (t) => {
  const { peer, client, payloads } = await attached(t);
  let given;
  client.handle("location", (_input, context) => new Promise((resolve) => (given = { resolve, ...context })));
  peer.event(1, asked());
  assert.equal(given.interrupt.id, "i1");
  peer.event(2, closed);
  assert.ok(given.signal.aborted);
  given.resolve("late");
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
