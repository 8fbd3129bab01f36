/** What was before: older pages, and every character once however often the connection breaks. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { attached, begin, delta, reconnected, started, text, user } from "./attached.js";

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
