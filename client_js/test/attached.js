/** A session that is attached to a server of the test's own, and what that server says. */

import { connect } from "../src/index.js";
import { Peer, settled, stopClock } from "./peer.js";

export const text = (value, state) => ({ type: "text", text: value, ...(state && { state }) });
export const user = (id, value) => ({ type: "message", message: { id, role: "user", parts: [text(value)] } });
export const started = { type: "turn.started", turn: "t1", agent: "support", message: "m1" };
export const chunk = (more) => ({ type: "chunk", turn: "t1", message: "m1", chunk: more });
export const begin = chunk({ type: "text-start", id: "0" });
export const delta = (value) => chunk({ type: "text-delta", id: "0", delta: value });
export const approval = (more) => ({
  id: "i1",
  kind: "approval",
  session: "s1",
  turn: "t1",
  reason: "tool_call",
  toolCallId: "c1",
  toolName: "refund",
  openedAt: 1,
  ...more,
});
export const opened = (more) => ({ type: "interrupt.opened", interrupt: approval(more) });
export const decision = (approved, by = "bob") => ({
  status: "resolved",
  payload: { approved },
  by: { kind: "person", id: by },
  via: "websocket",
  at: 1,
  ref: null,
});

/** A client, connected, and its session "s1", attached and empty. */
export const attached = async (t, { seq = 0, snapshot, principal, ...options } = {}) => {
  stopClock(t);
  const peer = new Peer();
  const client = connect({ url: "https://x", token: "secret", WebSocket: peer.WebSocket, ...options });
  const session = client.session("s1");
  let calls = 0;
  const off = session.subscribe(() => calls++);
  await settled();
  peer.welcome(principal);
  peer.attach(seq, snapshot);
  return { peer, client, session, off, calls: () => calls, shown: session.getSnapshot };
};

/** Loses the connection and has a new one, not attached yet. */
export const reconnected = async (t, peer, code) => {
  peer.drop(code);
  t.mock.timers.tick(20_000);
  await settled();
  peer.welcome();
};
