import assert from "node:assert/strict";
import { test } from "node:test";

import { backoff, reconnect } from "../src/reconnect.js";
import { stopClock } from "./peer.js";

/** Connections that are only remembered: a test says what becomes of them. */
const start = (t, token = "secret") => {
  stopClock(t);
  const made = [];
  const heard = [];
  const link = reconnect(
    { url: "https://example.com", token },
    {
      opened: () => heard.push("opened"),
      frame: ({ type }) => heard.push(type),
      lost: () => heard.push("lost"),
      closed: (code) => heard.push(code),
    },
    (_options, listener) => {
      const own = { ...listener, sent: [], probes: 0, ended: false };
      made.push(own);
      return {
        send: (frame) => own.sent.push(frame),
        probe: () => own.probes++,
        close: () => {
          own.ended = true;
          own.closed(1000, "");
        },
      };
    },
  );
  return { made, heard, link };
};

for (const code of [1000, 1001, 1005, 1006, 1011, 1012, 1013, 3000, 3001, 3499, 4000, 4008, 4499]) {
  test(`${code} is come back from`, (t) => {
    const { made, heard } = start(t);
    made[0].opened({});
    made[0].closed(code, "");
    assert.deepEqual(heard, ["opened", "lost"]);
    t.mock.timers.tick(20_000);
    assert.equal(made.length, 2);
  });
}

for (const code of [1002, 1009, 3500, 3999, 4500, 4501, 4999]) {
  test(`${code} is final`, (t) => {
    const { made, heard } = start(t);
    made[0].opened({});
    made[0].closed(code, "");
    t.mock.timers.tick(100_000);
    assert.deepEqual(heard, ["opened", code]);
    assert.equal(made.length, 1);
  });
}

test("the wait is anything from 500 ms to a ceiling that doubles up to 20 s", (t) => {
  const random = t.mock.method(Math, "random", () => 0);
  assert.equal(backoff(0), 500);
  assert.equal(backoff(1_000_000), 500);
  random.mock.mockImplementation(() => 1);
  assert.deepEqual([0, 1, 2, 5, 6, 99].map(backoff), [500, 1_000, 2_000, 16_000, 20_000, 20_000]);
});

test("tries are farther and farther apart, until a connection lasts", (t) => {
  t.mock.method(Math, "random", () => 1);
  const { made } = start(t);
  const wait = (ms) => {
    const before = made.length;
    t.mock.timers.tick(ms - 1);
    assert.equal(made.length, before);
    t.mock.timers.tick(1);
    assert.equal(made.length, before + 1);
  };
  made.at(-1).closed(1006, "");
  wait(500);
  made.at(-1).opened({}); // and cut off at once: the next wait is longer all the same
  made.at(-1).closed(3008, "");
  wait(1_000);
  made.at(-1).closed(1006, "");
  wait(2_000);
  made.at(-1).opened({});
  t.mock.timers.tick(10_001);
  made.at(-1).closed(1006, "");
  wait(500);
});

test("who is sent away comes back when it was told to", (t) => {
  const { made, heard } = start(t);
  made[0].opened({});
  made[0].frame({ type: "closing", reconnect_after_ms: 7_000 });
  made[0].closed(3001, "");
  t.mock.timers.tick(6_999);
  assert.equal(made.length, 1);
  t.mock.timers.tick(1);
  assert.equal(made.length, 2);
  assert.deepEqual(heard, ["opened", "closing", "lost"]);
});

test("a refused token is tried once more if there can be another", (t) => {
  const { made, heard } = start(t, () => "fresh");
  made[0].closed(4500, "");
  t.mock.timers.tick(20_000);
  assert.equal(made.length, 2);
  made[1].closed(4500, "");
  t.mock.timers.tick(20_000);
  assert.equal(made.length, 2);
  assert.deepEqual(heard, ["lost", 4500]);
});

test("an expired token is come back from only if there can be another", (t) => {
  const fixed = start(t);
  fixed.made[0].closed(4001, "");
  assert.deepEqual(fixed.heard, [4001]);
  t.mock.timers.reset();
  const { made, heard } = start(t, () => "fresh");
  made[0].closed(4001, "");
  made[0].closed(4001, "");
  assert.deepEqual(heard, ["lost", "lost"]);
});

test("a token that was good may be refused once again later", (t) => {
  const { made, heard } = start(t, () => "fresh");
  for (const _ of [1, 2, 3]) {
    made.at(-1).closed(4500, "");
    t.mock.timers.tick(20_000);
    made.at(-1).opened({});
  }
  assert.deepEqual(heard, ["lost", "opened", "lost", "opened", "lost", "opened"]);
});

test("signs of life from the network end a wait, or test the connection", (t) => {
  const signs = new EventTarget();
  globalThis.addEventListener = signs.addEventListener.bind(signs);
  t.after(() => delete globalThis.addEventListener);
  const { made, link } = start(t);
  made[0].opened({});
  signs.dispatchEvent(new Event("visibilitychange"));
  assert.equal(made[0].probes, 1);
  made[0].closed(1006, "");
  signs.dispatchEvent(new Event("online"));
  assert.equal(made.length, 2);
  t.mock.timers.tick(20_000);
  assert.equal(made.length, 2);
  made[1].closed(1006, "");
  link.close();
  signs.dispatchEvent(new Event("online"));
  assert.equal(made.length, 2);
});

test("closing is final, whatever was under way", (t) => {
  const { made, heard, link } = start(t);
  made[0].opened({});
  link.send({ type: "ping" });
  assert.deepEqual(made[0].sent, [{ type: "ping" }]);
  link.close();
  link.close();
  made[0].closed(1006, "");
  t.mock.timers.tick(100_000);
  assert.deepEqual(heard, ["opened", 1000]);
  assert.ok(made[0].ended);
  assert.equal(made.length, 1);
});
