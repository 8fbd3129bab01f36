import assert from "node:assert/strict";
import { test } from "node:test";

import { decide, request, wait } from "../src/gates.js";
import { connect } from "../src/index.js";
import { Peer, settled } from "./peer.js";

const decision = { status: "resolved", payload: { approved: true }, by: { kind: "person", id: "bob" }, via: "rest", at: 1 };
const interrupt = { id: "i1.s1", kind: "gate", session: "s1", turn: "t1", reason: "confirmation", toolName: "deploy" };
const gate = { id: "deploy-42", session: "s1", interrupt, status: "open", canAnswer: false };

const connected = async (t) => {
  const peer = new Peer();
  const client = connect({ url: "https://x", token: "secret", WebSocket: peer.WebSocket });
  t.after(() => client.close());
  await settled();
  peer.welcome();
  return { peer, client };
};

test("a gate is asked for by its id", async (t) => {
  const { peer, client } = await connected(t);
  const done = request(client, "deploy-42", { name: "deploy", payload: { to: "prod" }, expires: "2 h" });
  const [{ ref, ...frame }] = peer.sent("gate");
  assert.deepEqual(frame, { type: "gate", id: "deploy-42", name: "deploy", payload: { to: "prod" }, expires: "2 h" });
  peer.say({ type: "gated", ref, created: true, gate });
  assert.deepEqual(await done, gate);
});

test("another payload under its id rejects", async (t) => {
  const { peer, client } = await connected(t);
  const done = request(client, "deploy-42", { name: "deploy" });
  peer.say({ type: "error", ref: peer.sent("gate")[0].ref, code: "gate_reused", message: "Other.", retry: false });
  await assert.rejects(done, { code: "gate_reused" });
});

test("a wait is told of the decision, over a lost connection, and then lets go of the session", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 });
  const { peer, client } = await connected(t);
  const decided = wait(client, gate);
  await settled();
  peer.attach(3, { interrupts: [interrupt] });
  await settled();
  peer.drop();
  t.mock.timers.tick(60_000);
  await settled();
  peer.welcome();
  await settled();
  peer.replay(4);
  peer.event(4, { type: "interrupt.closed", interrupt: interrupt.id, decision });
  assert.deepEqual(await decided, decision);
  t.mock.timers.tick(60_000);
});

test("a decision that was made before we came is looked for further back", async (t) => {
  const { peer, client } = await connected(t);
  const decided = wait(client, gate);
  await settled();
  peer.attach(900, { interrupts: [], more: true, before: 800 });
  await settled();
  const pages = [
    { from: 700, to: 799, more: true, events: [] },
    { from: 1, to: 699, more: false, events: [
      { seq: 3, at: 1, event: { type: "interrupt.opened", interrupt } },
      { seq: 4, at: 2, event: { type: "interrupt.closed", interrupt: interrupt.id, decision } },
    ] },
  ];
  for (const [i, page] of pages.entries()) {
    peer.say({ type: "page", ref: peer.sent("history")[i].ref, session: "s1", ...page });
    await settled();
  }
  assert.deepEqual(peer.sent("history").map(({ before }) => before), [800, 700]);
  assert.deepEqual(await decided, decision);
});

test("a decision that the log has forgotten is not waited for for ever", async (t) => {
  const { peer, client } = await connected(t);
  const waiting = wait(client, gate);
  await settled();
  peer.attach(900, { interrupts: [], more: false });
  await assert.rejects(waiting, { code: "gone" });
});

test("what is decided already needs no waiting", async (t) => {
  const { client } = await connected(t);
  assert.deepEqual(await wait(client, { ...gate, decision }), decision);
});

test("a wait that is aborted rejects with the reason, and asks no more", async (t) => {
  const { peer, client } = await connected(t);
  const stop = new AbortController();
  const waiting = wait(client, gate, { signal: stop.signal });
  await settled();
  peer.attach(3, { interrupts: [interrupt] });
  stop.abort(new Error("enough"));
  await assert.rejects(waiting, { message: "enough" });
  await assert.rejects(wait(client, gate, { signal: stop.signal }), { message: "enough" });
});

test("a wait ends with its session", async (t) => {
  const { peer, client } = await connected(t);
  const waiting = wait(client, gate);
  await settled();
  peer.say({ type: "error", ref: peer.sent("attach")[0].ref, code: "not_found", message: "No.", retry: false });
  await assert.rejects(waiting, { code: "not_found" });
});

test("a decision is an answer", async (t) => {
  const { peer, client } = await connected(t);
  const done = decide(client, gate, true, "fine");
  const [{ ref, ...frame }] = peer.sent("answer");
  const payload = { approved: true, reason: "fine" };
  assert.deepEqual(frame, { type: "answer", session: "s1", interrupt: interrupt.id, status: "resolved", payload });
  peer.say({ type: "answered", ref, outcome: "lost", interrupt: interrupt.id, decision });
  assert.deepEqual(await done, { outcome: "lost", decision });
});
