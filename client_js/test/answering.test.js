/** Answers, updates and messages of one device: bound to what was shown, sent once, told who won. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { approval, attached, decision, opened, reconnected, started, text, user } from "./attached.js";
import { settled } from "./peer.js";

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
