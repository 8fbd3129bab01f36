import assert from "node:assert/strict";
import { test } from "node:test";

import { createOutbox, newRef } from "../src/outbox.js";
import { Shelf, settled, stopClock } from "./peer.js";

const start = (storage) => {
  const sent = [];
  let changes = 0;
  const outbox = createOutbox((frame) => sent.push(frame), () => changes++, "holdfast:x:", storage);
  return { outbox, sent, changes: () => changes };
};

const answer = (ref = "r1") => ({ type: "answer", ref, session: "s1", interrupt: "i1" });
const refused = (ref, retry, code = "busy") => ({ type: "error", ref, code, message: "Not now.", retry });

test("a ref is another one each time, and a server takes it", () => {
  const refs = new Set(Array.from({ length: 1_000 }, newRef));
  assert.equal(refs.size, 1_000);
  for (const ref of refs) assert.ok(ref.length > 0 && ref.length <= 128);
});

test("a command is sent after every reconnect with the same ref, until it is replied to", async () => {
  const { outbox, sent } = start();
  const reply = outbox.post({ type: "send", session: "s1" });
  outbox.opened("alice");
  outbox.opened("alice");
  const [{ ref }] = sent;
  assert.deepEqual(sent.map((frame) => frame.ref), [ref, ref, ref]);
  assert.ok(outbox.settle({ type: "ok", ref }));
  assert.deepEqual(await reply, { type: "ok", ref });
  outbox.opened("alice");
  assert.equal(sent.length, 3);
  assert.deepEqual(outbox.frames, []);
  assert.ok(!outbox.settle({ type: "ok", ref }));
});

test("commands keep their order", () => {
  const { outbox, sent } = start();
  for (const ref of ["a", "b", "c"]) outbox.post(answer(ref));
  sent.length = 0;
  outbox.opened("alice");
  assert.deepEqual(sent.map(({ ref }) => ref), ["a", "b", "c"]);
});

test("what cannot be done is an error with its code", async () => {
  const { outbox } = start();
  const reply = outbox.post(answer());
  outbox.settle(refused("r1", false, "forbidden"));
  await assert.rejects(reply, { name: "HoldfastError", code: "forbidden", retry: false, message: "Not now." });
});

test("what cannot be done now is tried again, some times", async (t) => {
  stopClock(t);
  const { outbox, sent } = start();
  const reply = outbox.post(answer());
  for (const times of [2, 3, 4, 5, 6]) {
    outbox.settle(refused("r1", true));
    assert.equal(sent.length, times - 1);
    t.mock.timers.tick(20_000);
    assert.equal(sent.length, times);
  }
  outbox.settle(refused("r1", true));
  await assert.rejects(reply, { code: "busy", retry: true });
});

test("what is not wanted any more when its time comes is not sent", async (t) => {
  stopClock(t);
  const { outbox, sent } = start();
  const reply = outbox.post(answer());
  outbox.settle(refused("r1", true));
  outbox.settle({ type: "answered", ref: "r1", outcome: "won" });
  t.mock.timers.tick(20_000);
  assert.equal((await reply).outcome, "won");
  assert.equal(sent.length, 1);
});

test("what a server would close the connection for is not sent", async () => {
  const { outbox, sent } = start();
  await assert.rejects(outbox.post({ type: "send", message: "ä".repeat(140_000) }), { code: "too_large" });
  assert.equal(sent.length, 0);
});

test("there is a limit to what waits", async () => {
  const { outbox } = start();
  for (let i = 0; i < 100; i++) outbox.post(answer(`r${i}`));
  await assert.rejects(outbox.post(answer("one more")), { code: "limit_reached" });
});

test("what is given up is not sent later, nor by another page", async () => {
  const shelf = new Shelf();
  const { outbox, sent } = start(shelf);
  outbox.opened("alice");
  const reply = outbox.post(answer());
  const error = new Error("closed");
  outbox.stop(error);
  await assert.rejects(reply, error);
  await assert.rejects(outbox.post(answer("r2")), error);
  assert.equal(sent.length, 1);
  assert.equal(shelf.length, 0);
});

test("the list of what waits is another one after every change", () => {
  const { outbox, changes } = start();
  const before = outbox.frames;
  outbox.post(answer());
  assert.notEqual(outbox.frames, before);
  assert.deepEqual(outbox.frames, [answer()]);
  outbox.settle({ type: "ok", ref: "r1" });
  assert.equal(changes(), 2);
});

test("with a storage, it survives a reload of the page", async () => {
  const shelf = new Shelf();
  shelf.setItem("something else", "of the page");
  const before = start(shelf);
  before.outbox.opened("alice");
  before.outbox.post(answer());
  const { outbox, sent } = start(shelf);
  assert.deepEqual(outbox.frames, []);
  outbox.opened("alice");
  assert.deepEqual(sent, [answer()]);
  assert.deepEqual(outbox.frames, [answer()]);
  outbox.settle({ type: "answered", ref: "r1", outcome: "won" });
  await settled();
  assert.deepEqual([...shelf.items.keys()], ["something else"]);
});

test("what was posted before it was known who we are is kept too", () => {
  const shelf = new Shelf();
  const before = start(shelf);
  before.outbox.post(answer());
  before.outbox.opened("alice");
  const { outbox, sent } = start(shelf);
  outbox.opened("alice");
  assert.deepEqual(sent, [answer()]);
});

test("nobody sends what another person left behind", async () => {
  const shelf = new Shelf();
  const before = start(shelf);
  before.outbox.opened("alice");
  before.outbox.post(answer());
  const { outbox, sent } = start(shelf);
  outbox.opened("mallory");
  assert.deepEqual(sent, []);
  assert.equal(shelf.length, 0);
});

test("what waits is given up when another person signs in", async () => {
  const { outbox, sent } = start();
  outbox.opened("alice");
  const reply = outbox.post(answer());
  outbox.opened("bob");
  await assert.rejects(reply, { code: "forbidden" });
  assert.equal(sent.length, 1);
});

test("what is a day old is not sent any more", (t) => {
  stopClock(t);
  const shelf = new Shelf();
  const before = start(shelf);
  before.outbox.opened("alice");
  before.outbox.post(answer());
  t.mock.timers.tick(24 * 3_600_000 + 1);
  const { outbox, sent } = start(shelf);
  outbox.opened("alice");
  assert.deepEqual(sent, []);
});

test("who looks and how far a device is means nothing after a reload", () => {
  const storage = new Shelf();
  const { outbox } = start(storage);
  outbox.opened("alice");
  for (const type of ["claim", "progress", "history", "answer"]) outbox.post({ type, session: "s1", interrupt: "i1" });
  const next = start(storage);
  next.outbox.opened("alice");
  assert.deepEqual(next.sent.map(({ type }) => type), ["answer"]);
});

test("a full storage keeps nothing from being sent", () => {
  const shelf = new Shelf();
  shelf.setItem = () => {
    throw new DOMException("full", "QuotaExceededError");
  };
  const { outbox, sent } = start(shelf);
  outbox.opened("alice");
  outbox.post(answer());
  assert.deepEqual(sent, [answer()]);
});

for (const frame of [{ ref: "\ud800" }, { session: "s\udc00" }, { message: { id: "\ud800", parts: [] } }]) {
  test(`half a character is not sent in an id: ${JSON.stringify(frame)}`, async () => {
    const { outbox, sent } = start();
    await assert.rejects(outbox.post({ type: "send", ...frame }), { code: "bad_request" });
    assert.deepEqual([sent, outbox.frames], [[], []]);
  });
}
