/** The transport and the binding for `useChat`, by themselves: `tests/ecosystem` and `tests/browser` have the real chat. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { bindChat, chatTransport } from "../src/ai-sdk.js";
import { approval, attached, begin, chunk, decision, delta, opened, reconnected, started, text, user } from "./attached.js";
import { settled } from "./peer.js";

const SESSION = { session: { id: "s1", agent: "support", owner: "alice", members: { alice: "owner" }, createdAt: 1 } };
const said = (words = "Refund A-17") => ({ id: "mine", role: "user", parts: [text(words)] });
const finished = (more) => ({ type: "turn.finished", turn: "t1", status: "completed", ...more });

/** What a stream has given so far; `done` once it has ended. */
const read = (stream) => {
  const shown = { chunks: [], done: false };
  const reader = stream.getReader();
  const next = async () => {
    for (let piece; !(piece = await reader.read()).done; ) shown.chunks.push(piece.value);
    shown.done = true;
  };
  next();
  return { shown, cancel: () => reader.cancel(), kinds: () => shown.chunks.map(({ type }) => type) };
};

/** A chat has said something, and the server has taken it as the turn t1. */
const streaming = async (t, asked = {}) => {
  const made = await attached(t, { seq: 1, snapshot: SESSION });
  const sending = chatTransport(made.client, "support").sendMessages({ chatId: "s1", messages: [said()], trigger: "submit-message", ...asked });
  const [{ ref, ...frame }] = made.peer.sent("send");
  made.peer.say({ type: "ok", ref, session: "s1", seq: 3, turn: "t1" });
  return { ...made, frame, ...read(await sending) };
};

const events = async (peer, from, ...told) => {
  for (const [i, event] of told.entries()) peer.event(from + i, event);
  await settled();
};

// ---------------------------------------------------------------- the transport

test("a message is sent, and its turn is streamed to its end", async (t) => {
  const { peer, frame, shown, kinds } = await streaming(t);
  assert.deepEqual(frame, { type: "send", session: "s1", message: { id: "mine", role: "user", parts: [text("Refund A-17")] } });
  await events(peer, 2, { type: "turn.queued", turn: "t1", agent: "support" }, started, begin, delta("Look"));
  await events(peer, 6, delta("ing."));
  assert.deepEqual(kinds(), ["start", "text-start", "text-delta", "text-delta"]);
  assert.equal(shown.chunks.filter(({ delta }) => delta).map(({ delta }) => delta).join(""), "Looking.");
  assert.equal(shown.done, false);
  await events(peer, 7, chunk({ type: "text-end", id: "0" }), finished());
  assert.deepEqual(kinds().slice(-2), ["text-end", "finish"]);
  assert.ok(shown.done);
});

test("a chat that was not there before is started under its own id", async (t) => {
  const { peer, client } = await attached(t, { seq: 0 });
  const sending = chatTransport(client, "support").sendMessages({ chatId: "s1", messages: [said()], trigger: "submit-message" });
  peer.say({ type: "error", ref: peer.sent("send")[0].ref, code: "not_found", message: "No.", retry: false });
  await settled();
  const [{ ref, ...frame }] = peer.sent("start");
  assert.deepEqual({ ...frame, message: frame.message.id }, { type: "start", agent: "support", id: "s1", message: "mine" });
  peer.say({ type: "ok", ref, session: "s1", seq: 3, turn: "t1" });
  const { kinds } = read(await sending);
  await settled();
  peer.attach(1, SESSION);
  await events(peer, 2, started, begin, delta("Hi"), finished());
  assert.deepEqual(kinds(), ["start", "text-start", "text-delta", "text-end", "finish"]);
});

test("every other refusal is the chat's to show", async (t) => {
  const { peer, client } = await attached(t, { seq: 1, snapshot: SESSION });
  const sending = chatTransport(client, "support").sendMessages({ chatId: "s1", messages: [said()], trigger: "submit-message" });
  peer.say({ type: "error", ref: peer.sent("send")[0].ref, code: "limit_reached", message: "Too many.", retry: false });
  await assert.rejects(sending, { code: "limit_reached" });
  assert.deepEqual(peer.sent("start"), []);
});

test("over a lost connection every word comes once", async (t) => {
  const { peer, shown } = await streaming(t);
  await events(peer, 2, started, begin, delta("Look"));
  await reconnected(t, peer);
  await settled();
  peer.replay(6);
  await events(peer, 5, delta("ing"), delta("."));
  assert.equal(shown.chunks.filter(({ delta }) => delta).map(({ delta }) => delta).join(""), "Looking.");
  assert.equal(shown.done, false);
});

test("what a dead worker said is taken back, and told anew", async (t) => {
  const { peer, kinds, shown } = await streaming(t);
  await events(peer, 2, started, chunk({ type: "start-step" }), begin, delta("Lost words"));
  const message = { id: "m1", role: "assistant", parts: [{ type: "step-start" }] };
  await events(peer, 6, { type: "message.rewound", turn: "t1", message, first: 3 });
  await events(peer, 7, chunk({ type: "text-start", id: "1" }), chunk({ type: "text-delta", id: "1", delta: "Found" }));
  const again = kinds().lastIndexOf("reset-step");
  assert.ok(again > 0);
  assert.deepEqual(shown.chunks.slice(again).map(({ delta }) => delta).filter(Boolean), ["Found"]);
});

test("a turn that waits ends the stream, and says what for", async (t) => {
  const { peer, kinds, shown } = await streaming(t);
  const call = { type: "tool-input-available", toolCallId: "c1", toolName: "refund", input: { amount: 7 } };
  const request = { type: "tool-approval-request", approvalId: "i1", toolCallId: "c1" };
  await events(peer, 2, started, chunk(call), chunk(request), opened(), { type: "turn.waiting", turn: "t1", open: ["i1"] });
  assert.deepEqual(kinds(), ["start", "tool-input-start", "tool-input-available", "tool-approval-request", "finish"]);
  assert.equal(shown.chunks.at(-1).finishReason, "tool-calls");
  assert.ok(shown.done);
});

test("a turn that fails is an error", async (t) => {
  const { peer, shown } = await streaming(t);
  await events(peer, 2, started, finished({ status: "failed", error: { code: "x", message: "It broke." } }));
  assert.deepEqual(shown.chunks.at(-1), { type: "error", errorText: "It broke." });
});

test("who stops reading hears no more, and the turn goes on", async (t) => {
  const stop = new AbortController();
  const { peer, shown } = await streaming(t, { abortSignal: stop.signal });
  await events(peer, 2, started, begin, delta("Look"));
  const before = shown.chunks.length;
  stop.abort();
  await events(peer, 5, delta("ing"));
  assert.deepEqual([shown.chunks.length, shown.done], [before, true]);
  assert.deepEqual(peer.sent("cancel"), []);
});

test("there is nothing to go on with unless a turn runs", async (t) => {
  const { peer, client } = await attached(t, { seq: 1, snapshot: SESSION });
  const { reconnectToStream } = chatTransport(client, "support");
  assert.equal(await reconnectToStream({ chatId: "s1" }), null);
  await events(peer, 2, { type: "turn.queued", turn: "t1", agent: "support" }, started, begin, delta("Look"));
  const { kinds } = read(await reconnectToStream({ chatId: "s1" }));
  await settled();
  assert.deepEqual(kinds(), ["start", "text-start", "text-delta"]);
});

test("an answer that is posted ends by itself: it was submitted when it was given", async (t) => {
  const { peer, client } = await attached(t, { seq: 1, snapshot: SESSION });
  const messages = [{ id: "m1", role: "assistant", parts: [] }];
  const { shown } = read(await chatTransport(client, "support").sendMessages({ chatId: "s1", messages, trigger: "submit-message" }));
  await settled();
  assert.deepEqual([shown.chunks, shown.done, peer.sent("send")], [[{ type: "finish", finishReason: "interrupted" }], true, []]);
});

// ---------------------------------------------------------------- the binding

/** What the binding needs of a chat, and keeps of what it is told. */
const bound = async (t, more) => {
  const made = await attached(t, { seq: 1, snapshot: SESSION });
  const did = [];
  const note = (name) => async (...args) => void did.push([name, ...args]);
  const chat = { id: "s1", status: "ready", messages: [], ...more };
  for (const name of ["sendMessage", "regenerate", "resumeStream", "addToolOutput", "addToolApprovalResponse"]) chat[name] = note(name);
  chat.resumeStream = async () => {
    did.push(["resumeStream"]);
    chat.status = "streaming"; // as a chat does
  };
  return { ...made, chat, did, end: bindChat(chat, made.client) };
};

const asked = (more) => [
  started,
  chunk({ type: "tool-input-available", toolCallId: "c1", toolName: "refund", input: {} }),
  opened(more),
  { type: "turn.waiting", turn: "t1", open: ["i1"] },
];

test("what others say is shown by the chat, and its own messages keep its ids", async (t) => {
  const { peer, chat } = await bound(t);
  const own = user("m_7", "Mine");
  own.message.metadata = { clientId: "mine" };
  await events(peer, 2, own, user("m_8", "Bob's"));
  assert.deepEqual(chat.messages.map(({ id }) => id), ["mine", "m_8"]);
});

test("while the chat streams nothing is put in its place; a turn that another began is gone into", async (t) => {
  const { peer, chat, did } = await bound(t, { status: "streaming" });
  await events(peer, 2, user("m_8", "Bob's"));
  assert.deepEqual(chat.messages, []);
  chat.status = "ready";
  await events(peer, 3, { type: "turn.queued", turn: "t1", agent: "support" }, started);
  assert.deepEqual(did.map(([name]) => name), ["resumeStream"]);
  assert.equal(chat.messages.length, 1);
});

test("an answer is submitted at once, for what was shown", async (t) => {
  const { peer, chat, did } = await bound(t);
  await events(peer, 2, ...asked({ inputHash: "h1" }));
  const done = chat.addToolApprovalResponse({ id: "i1", approved: true, reason: "fine" });
  const [{ ref, interrupt, payload }] = peer.sent("answer");
  assert.deepEqual([interrupt, payload], ["i1", { inputHash: "h1", reason: "fine", approved: true }]);
  peer.say({ type: "answered", ref, outcome: "lost", interrupt: "i1", decision: decision(false) });
  await done;
  assert.ok(did.some(([name]) => name === "addToolApprovalResponse"));
});

test("an output is submitted by its call, an error too", async (t) => {
  const { peer, chat } = await bound(t);
  await events(peer, 2, ...asked({ kind: "client_tool" }));
  const given = [chat.addToolOutput({ toolCallId: "c1", output: 0 }), chat.addToolOutput({ toolCallId: "c1", state: "output-error", errorText: "No." })];
  const sent = peer.sent("update");
  assert.deepEqual(sent.map(({ updates }) => updates), [
    [{ toolCallId: "c1", type: "tool-output-available", output: 0 }],
    [{ toolCallId: "c1", type: "tool-output-error", errorText: "No." }],
  ]);
  for (const { ref } of sent) peer.say({ type: "updated", ref, results: [{ toolCallId: "c1", outcome: "won" }] });
  await Promise.all(given);
});

test("a call runs by onToolCall, and what it gives is the answer", async (t) => {
  const calls = [];
  const { peer, chat } = await bound(t, { onToolCall: ({ toolCall }) => calls.push(toolCall) });
  assert.equal(chat.onToolCall, undefined, "the chat itself calls it no more");
  await events(peer, 2, ...asked({ kind: "client_tool", input: { accuracy: "high" } }));
  const [claim] = peer.sent("claim");
  peer.say({ type: "ok", ref: claim.ref });
  await settled();
  assert.deepEqual(calls, [{ toolCallId: "c1", toolName: "refund", input: { accuracy: "high" } }]);
  chat.addToolOutput({ toolCallId: "c1", output: "Paris" });
  await settled();
  assert.deepEqual(peer.sent("answer").map(({ payload }) => payload), [{ output: "Paris" }]);
});

test("after its end the chat is left alone", async (t) => {
  const { peer, chat, end, off } = await bound(t);
  end();
  off();
  await events(peer, 2, user("m_8", "Bob's"));
  assert.deepEqual(chat.messages, []);
  t.mock.timers.tick(10_000);
  assert.equal(peer.sent("detach").length, 1);
});
