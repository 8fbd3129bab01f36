import assert from "node:assert/strict";
import { test } from "node:test";

import { answerMany, branch, claim, continueTurn, feedback, handback, notify, progress, takeover, withdraw } from "../src/commands.js";
import { connect } from "../src/index.js";
import { Peer, settled } from "./peer.js";

const decision = { status: "resolved", payload: { approved: true }, by: { kind: "person", id: "bob" }, via: "websocket", at: 1 };
const asked = (id) => ({ id, kind: "approval", session: "s1", turn: "t1", reason: "tool_call", toolName: "refund" });

const attached = async (t) => {
  const peer = new Peer();
  const client = connect({ url: "https://x", token: "secret", WebSocket: peer.WebSocket });
  t.after(() => client.close());
  const session = client.session("s1");
  session.subscribe(() => {});
  await settled();
  peer.welcome();
  peer.attach(2, { interrupts: [asked("i1"), asked("i2")] });
  return { peer, client, session, shown: () => session.getSnapshot().interrupts };
};

test("a claim is told to the server, and does not look like an answer", async (t) => {
  const { peer, session, shown } = await attached(t);
  const done = claim(session, "i1", 60_000);
  const [{ ref, ...frame }] = peer.sent("claim");
  assert.deepEqual(frame, { type: "claim", interrupt: "i1", for_ms: 60_000, session: "s1" });
  assert.equal(shown()[0].sending, false);
  peer.say({ type: "ok", ref });
  assert.equal(await done, undefined);
});

test("feedback says what it is about, and may be refused", async (t) => {
  const { peer, session } = await attached(t);
  const done = feedback(session, { message: "m1" }, { score: -1, labels: ["wrong"], comment: "It was A-17." });
  const [{ ref, ...frame }] = peer.sent("feedback");
  const said = { score: -1, labels: ["wrong"], comment: "It was A-17." };
  assert.deepEqual(frame, { type: "feedback", target: { message: "m1" }, ...said, session: "s1" });
  peer.say({ type: "ok", ref });
  assert.equal(await done, undefined);
  const refused = feedback(session, { interrupt: "i9" }, { score: 1 });
  const [, second] = peer.sent("feedback");
  peer.say({ type: "error", ref: second.ref, code: "not_found", message: "No.", retry: false });
  await assert.rejects(refused, { code: "not_found" });
});

test("a notice outside any turn is told once, and says where it stands", async (t) => {
  const { peer, client } = await attached(t);
  const done = notify(client, "The backup is done.", ["bob"]);
  const [{ ref, ...frame }] = peer.sent("notify");
  assert.deepEqual(frame, { type: "notify", text: "The backup is done.", to: ["bob"] });
  peer.say({ type: "ok", ref, session: "s_notices" });
  assert.equal(await done, "s_notices");
});

test("a claim of what another looks at says who", async (t) => {
  const { peer, session } = await attached(t);
  const done = claim(session, "i1");
  const details = { claim: { by: { kind: "person", id: "bob" }, at: 1, until: 2 } };
  peer.say({ type: "error", ref: peer.sent("claim")[0].ref, code: "conflict", message: "Bob.", retry: false, details });
  await assert.rejects(done, { code: "conflict", details });
});

test("what is withdrawn closes here before the log says so", async (t) => {
  const { peer, session, shown } = await attached(t);
  const done = withdraw(session, "i1", "wrong order");
  const [{ ref, reason }] = peer.sent("withdraw");
  assert.equal(reason, "wrong order");
  assert.equal(shown()[0].sending, true);
  const withdrawn = { ...decision, status: "withdrawn", payload: { reason } };
  peer.say({ type: "answered", ref, outcome: "won", interrupt: "i1", decision: withdrawn });
  assert.deepEqual(await done, { outcome: "won", decision: withdrawn });
  assert.deepEqual(shown()[0].decision, withdrawn);
});

test("many are answered at once, each with its own result, and each card closes", async (t) => {
  const { peer, client, shown } = await attached(t);
  const payload = { approved: true };
  const done = answerMany(client, [
    { session: "s1", interrupt: "i1", payload },
    { session: "s9", interrupt: "i9", payload, status: "cancelled" },
  ]);
  const [{ ref, answers }] = peer.sent("answer_many");
  assert.deepEqual(answers, [
    { status: "resolved", session: "s1", interrupt: "i1", payload },
    { status: "cancelled", session: "s9", interrupt: "i9", payload },
  ]);
  assert.deepEqual(shown().map(({ sending }) => sending), [true, false]);
  const error = { code: "forbidden", message: "Not yours.", retry: false };
  const results = [{ interrupt: "i1", outcome: "won", decision }, { interrupt: "i9", error }];
  peer.say({ type: "answered_many", ref, results });
  assert.deepEqual(await done, results);
  assert.deepEqual(shown().map((interrupt) => interrupt.decision), [decision, undefined]);
});

test("progress names the device, and does not look like an answer", async (t) => {
  const { peer, session, shown } = await attached(t);
  const done = progress(session, "i1", { percent: 40 }, "d1");
  const [{ ref, ...frame }] = peer.sent("progress");
  assert.deepEqual(frame, { type: "progress", interrupt: "i1", progress: { percent: 40 }, device: "d1", session: "s1" });
  assert.equal(shown()[0].sending, false);
  peer.say({ type: "ok", ref });
  await done;
});

test("who lets a turn go on is told whether somebody else did", async (t) => {
  const { peer, session } = await attached(t);
  const done = continueTurn(session, "t1");
  const [{ ref, turn }] = peer.sent("continue");
  assert.equal(turn, "t1");
  const lost = { outcome: "lost", by: { kind: "person", id: "bob" }, at: 7 };
  peer.say({ type: "continued", ref, turn, ...lost });
  assert.deepEqual(await done, lost);
});

test("another branch is shown", async (t) => {
  const { peer, session } = await attached(t);
  const done = branch(session, "t4");
  const [{ ref, ...sent }] = peer.sent("branch");
  assert.deepEqual(sent, { type: "branch", branch: "t4", session: "s1" });
  peer.say({ type: "ok", ref });
  await done;
});

test("the agent is to answer once more", async (t) => {
  const { peer, session } = await attached(t);
  const done = session.send(null, { replaces: "m1" });
  const [{ ref, ...sent }] = peer.sent("send");
  assert.deepEqual(sent, { type: "send", message: null, replaces: "m1", session: "s1" });
  assert.deepEqual(session.getSnapshot().unsent, []);
  peer.say({ type: "ok", ref, turn: "t2" });
  assert.equal((await done).turn, "t2");
});

for (const [name, act, frame] of [
  ["takes over", (session) => takeover(session), { type: "takeover" }],
  ["hands back", (session) => handback(session), { type: "handback" }],
  ["hands back what it has answered", (session) => handback(session, true), { type: "handback", answered: true }],
]) {
  test(`an operator ${name}, and is told which turn it concerns`, async (t) => {
    const { peer, session } = await attached(t);
    const done = act(session);
    const [{ ref, ...sent }] = peer.sent(frame.type);
    assert.deepEqual(sent, { ...frame, session: "s1" });
    peer.say({ type: "ok", ref, turn: "t1" });
    assert.equal(await done, "t1");
  });
}

test("a command of a later server needs no later client", async (t) => {
  const { peer, session } = await attached(t);
  const reply = session.command({ type: "feedback", message: "m1", value: "up" });
  const [{ ref, ...frame }] = peer.sent("feedback");
  assert.deepEqual(frame, { type: "feedback", message: "m1", value: "up", session: "s1" });
  peer.say({ type: "ok", ref, seq: 3 });
  assert.equal((await reply).seq, 3);
});
