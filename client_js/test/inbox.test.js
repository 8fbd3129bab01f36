import assert from "node:assert/strict";
import { test } from "node:test";

import { connect } from "../src/index.js";
import { Peer, settled, stopClock } from "./peer.js";

const start = async (t, respond = () => ({ interrupts: [{ id: "i1" }] })) => {
  stopClock(t);
  const peer = new Peer();
  const asked = [];
  let status = 200;
  const fetch = async (address, { headers }) => {
    asked.push([address, headers.authorization]);
    const body = await respond(asked.length);
    status = body.status ?? 200;
    return { ok: status < 400, status, json: async () => body };
  };
  const url = "wss://example.com/holdfast/";
  const client = connect({ url, token: async () => "fresh", WebSocket: peer.WebSocket, fetch });
  await settled();
  peer.welcome();
  return { peer, client, asked, inbox: client.inbox };
};

test("the inbox is read when somebody looks, and again now and then while they do", async (t) => {
  const { inbox, asked } = await start(t);
  let calls = 0;
  const off = inbox.subscribe(() => calls++);
  await settled();
  assert.deepEqual(asked, [["https://example.com/holdfast/v1/interrupts?limit=200", "Bearer fresh"]]);
  assert.deepEqual(inbox.getSnapshot(), { interrupts: [{ id: "i1" }], hasMore: false });
  assert.equal(inbox.getSnapshot(), inbox.getSnapshot());
  assert.equal(calls, 1);
  t.mock.timers.tick(30_000);
  await settled();
  assert.equal(asked.length, 2);
  off();
  t.mock.timers.tick(100_000);
  await settled();
  assert.equal(asked.length, 2);
});

test("what is asked or settled in a session that is followed is seen soon", async (t) => {
  const { inbox, asked, client, peer } = await start(t);
  inbox.subscribe(() => {});
  client.session("s1").subscribe(() => {});
  await settled();
  peer.attach();
  await settled();
  for (const seq of [1, 2, 3]) {
    const interrupt = { id: `i${seq}`, kind: "approval", session: "s1", turn: "t1" };
    peer.event(seq, { type: "interrupt.opened", interrupt });
  }
  t.mock.timers.tick(250);
  await settled();
  assert.equal(asked.length, 2);
});

test("what goes wrong is shown beside what was there, and tried again", async (t) => {
  const { inbox } = await start(t, (time) => {
    if (time === 2) throw new TypeError("fetch failed");
    if (time === 3) return { status: 403, code: "forbidden", detail: "Your token does not grant 'read'." };
    return { interrupts: [{ id: "i1" }] };
  });
  inbox.subscribe(() => {});
  await settled();
  await inbox.refresh();
  assert.deepEqual(inbox.getSnapshot().interrupts, [{ id: "i1" }]);
  const { name, code, message, retry } = inbox.getSnapshot().error;
  assert.deepEqual([name, code, message, retry], ["HoldfastError", "unavailable", "fetch failed", true]);
  await inbox.refresh();
  assert.equal(inbox.getSnapshot().error.code, "forbidden");
  t.mock.timers.tick(30_000);
  await settled();
  assert.equal(inbox.getSnapshot().error, undefined);
});

test("a long inbox is read page by page, up to where nobody reads on", async (t) => {
  const page = (time) => ({ interrupts: Array.from({ length: 200 }, (_, i) => ({ id: `i${time}_${i}` })), next: `c=${time}` });
  const { inbox, asked } = await start(t, page);
  inbox.subscribe(() => {});
  await settled();
  assert.deepEqual(asked.map(([address]) => address.split("?")[1]).slice(0, 2), ["limit=200", "limit=200&cursor=c%3D1"]);
  assert.equal(asked.length, 5);
  assert.equal(inbox.getSnapshot().interrupts.length, 1_000);
  assert.ok(inbox.getSnapshot().hasMore);
});

test("what is as it was stays the same object", async (t) => {
  const answers = [["i1", "i2"], ["i1", "i2"], ["i2", "i3"]];
  const { inbox } = await start(t, (time) => ({ interrupts: answers[time - 1].map((id) => ({ id, claim: null })) }));
  inbox.subscribe(() => {});
  await settled();
  const first = inbox.getSnapshot();
  await inbox.refresh();
  assert.equal(inbox.getSnapshot(), first);
  await inbox.refresh();
  assert.deepEqual(inbox.getSnapshot().interrupts.map(({ id }) => id), ["i2", "i3"]);
  assert.equal(inbox.getSnapshot().interrupts[0], first.interrupts[1]);
});

test("a slow reply does not take the place of a newer one", async (t) => {
  const slow = Promise.withResolvers();
  const { inbox } = await start(t, (time) => (time === 1 ? slow.promise : { interrupts: [] }));
  const first = inbox.refresh();
  await inbox.refresh();
  slow.resolve({ interrupts: [{ id: "i1" }] });
  await first;
  assert.deepEqual(inbox.getSnapshot().interrupts, []);
});

test("what was answered here is gone soon, though nobody follows its session", async (t) => {
  const { inbox, asked, client, peer } = await start(t);
  inbox.subscribe(() => {});
  await settled();
  const answered = client.session("s1").approve("i1");
  await settled();
  const { ref } = peer.sent("answer")[0];
  peer.say({ type: "answered", ref, outcome: "won", interrupt: "i1", decision: { status: "resolved" } });
  assert.equal((await answered).outcome, "won");
  t.mock.timers.tick(250);
  await settled();
  assert.equal(asked.length, 2);
});
