import assert from "node:assert/strict";
import { test } from "node:test";

import { connection } from "../src/connection.js";
import { Peer, settled, stopClock } from "./peer.js";

const open = async (options = {}) => {
  const peer = new Peer();
  const heard = { opened: [], frames: [], closed: [] };
  const link = connection(
    { url: "https://example.com", token: "secret", WebSocket: peer.WebSocket, ...options },
    {
      opened: (welcome) => heard.opened.push(welcome),
      frame: (frame) => heard.frames.push(frame),
      closed: (code, reason) => heard.closed.push([code, reason]),
    },
  );
  await settled();
  return { peer, heard, link };
};

for (const [url, address] of [
  ["https://example.com", "wss://example.com/v1/ws"],
  ["http://localhost:8700/", "ws://localhost:8700/v1/ws"],
  ["wss://example.com/holdfast", "wss://example.com/holdfast/v1/ws"],
]) {
  test(`${url} is reached at ${address}`, async (t) => {
    stopClock(t);
    const { peer } = await open({ url });
    assert.equal(peer.socket.url, address);
  });
}

test("the token is the second subprotocol", async (t) => {
  stopClock(t);
  const { peer, heard } = await open({ token: async () => "fresh" });
  assert.deepEqual(peer.socket.protocols, ["holdfast.v1", "fresh"]);
  peer.welcome();
  assert.deepEqual(peer.sent(), []);
  assert.equal(heard.opened[0].principal.subject, "alice");
});

for (const options of [{ useHello: true }, { device: "Alice's phone" }]) {
  test(`the token is in a first frame with ${Object.keys(options)}`, async (t) => {
    stopClock(t);
    const { peer } = await open(options);
    assert.deepEqual(peer.socket.protocols, ["holdfast.v1"]);
    peer.welcome();
    assert.deepEqual(peer.sent(), [
      { type: "hello", token: "secret", ...("device" in options && options) },
    ]);
  });
}

test("there may be no token, where cookies say who is there", async (t) => {
  stopClock(t);
  const { peer } = await open({ token: undefined });
  assert.deepEqual(peer.socket.protocols, ["holdfast.v1"]);
});

test("nothing is sent before the welcome, nor after the end", async (t) => {
  stopClock(t);
  const { peer, link } = await open();
  link.send({ type: "send" });
  peer.welcome();
  link.send({ type: "cancel" });
  link.close();
  link.send({ type: "detach" });
  assert.deepEqual(peer.sent(), [{ type: "cancel" }]);
});

test("a token that cannot be had is a lost connection", async (t) => {
  stopClock(t);
  const { heard, peer } = await open({ token: () => Promise.reject(new Error("offline")) });
  assert.deepEqual(heard.closed, [[1006, "Error: offline"]]);
  assert.equal(peer.sockets.length, 0);
});

test("an address or a token that cannot be one is a final error", async (t) => {
  stopClock(t);
  const { heard } = await open({
    WebSocket: class {
      constructor() {
        throw new DOMException("not a subprotocol", "SyntaxError");
      }
    },
  });
  assert.equal(heard.closed[0][0], 1002);
});

test("a connection without a welcome is given up after 10 s", async (t) => {
  stopClock(t);
  const { heard, peer } = await open();
  peer.socket.onopen();
  t.mock.timers.tick(9_999);
  assert.deepEqual(heard.closed, []);
  t.mock.timers.tick(1);
  assert.deepEqual(heard.closed, [[1006, "no answer"]]);
  assert.ok(peer.socket.closed);
});

test("a silent connection is pinged, and given up without an answer", async (t) => {
  stopClock(t);
  const { heard, peer } = await open();
  peer.welcome();
  t.mock.timers.tick(24_000);
  peer.say({ type: "presence" });
  t.mock.timers.tick(24_999);
  assert.deepEqual(peer.sent(), []);
  t.mock.timers.tick(1);
  assert.deepEqual(peer.sent(), [{ type: "ping" }]);
  peer.say({ type: "pong", serverTime: 0 });
  t.mock.timers.tick(25_000);
  assert.equal(peer.sent().length, 2);
  t.mock.timers.tick(7_999);
  assert.deepEqual(heard.closed, []);
  t.mock.timers.tick(1);
  assert.deepEqual(heard.closed, [[1006, "no answer"]]);
});

test("the end is told once, and nothing after it", async (t) => {
  stopClock(t);
  const { heard, peer, link } = await open();
  peer.welcome();
  peer.drop(3001, "restart");
  link.close();
  peer.drop();
  peer.say({ type: "pong" });
  t.mock.timers.tick(100_000);
  assert.deepEqual(heard.closed, [[3001, "restart"]]);
  assert.deepEqual(heard.frames, []);
});

test("a socket is not opened for who has closed already", async (t) => {
  stopClock(t);
  let give;
  const { peer, link } = await open({ token: () => new Promise((resolve) => (give = resolve)) });
  link.close();
  give("late");
  await settled();
  assert.equal(peer.sockets.length, 0);
});

test("half a character in a text is sent as U+FFFD", async (t) => {
  stopClock(t);
  const { peer, link } = await open();
  peer.welcome();
  link.send({ type: "send", text: ["a\ud800", "😀", "\\ud800"] });
  assert.deepEqual(peer.sent(), [{ type: "send", text: ["a\ufffd", "😀", "\\ud800"] }]);
});
