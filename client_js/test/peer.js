/** The other end of a socket, in the same process: a test plays the server by hand. */

// A device loads these when it first follows a session, and has its first handler: no test waits for the disk.
import "../src/folding.js";
import "../src/handlers.js";

export class Peer {
  constructor() {
    /** @type {any[]} */
    this.sockets = [];
    const peer = this;
    this.WebSocket = class {
      constructor(url, protocols) {
        Object.assign(this, { url, protocols, sent: [], closed: false });
        peer.sockets.push(this);
      }
      send(text) {
        this.sent.push(JSON.parse(text));
        peer.onframe?.(this.sent.at(-1));
      }
      close() {
        this.closed = true;
      }
    };
  }

  /** The newest socket. */
  get socket() {
    return this.sockets.at(-1);
  }

  /** What it was sent, of one type if given. */
  sent(type) {
    return this.socket.sent.filter((frame) => !type || frame.type === type);
  }

  say(frame) {
    this.socket.onmessage?.({ data: JSON.stringify(frame) });
  }

  /** The connection is accepted, and its token good. */
  welcome(principal = {}) {
    this.socket.onopen?.();
    this.say({ type: "welcome", connection: "c1", principal: { ...ALICE, ...principal }, limits: {}, serverTime: 0 });
  }

  drop(code = 1006, reason = "") {
    this.socket.onclose?.({ code, reason });
  }

  event(seq, event, more) {
    this.say({ type: "event", session: "s1", seq, at: seq * 10, event, ...more });
  }

  /** Replies to the newest attach with a snapshot up to `seq`. */
  attach(seq = 0, snapshot = {}, more = {}) {
    const { ref } = this.sent("attach").at(-1);
    this.say({
      type: "attached",
      ref,
      session: "s1",
      epoch: "e1",
      seq,
      head: seq,
      mode: "snapshot",
      snapshot: { session: null, messages: [], places: {}, turns: [], interrupts: [], more: false, before: 1, ...snapshot },
      ...more,
    });
  }

  /** Replies to the newest attach with "go on from where you are". */
  replay(head) {
    const { ref, since } = this.sent("attach").at(-1);
    this.say({ type: "attached", ref, session: "s1", ...since, head, mode: "replay" });
  }
}

export const ALICE = { subject: "alice", roles: [], can: ["read", "send", "answer", "cancel"] };

/** Everything that can happen without time passing has happened. */
export const settled = async () => {
  for (let i = 0; i < 20; i++) await Promise.resolve();
  await new Promise(setImmediate);
};

/** Stops the clock; `t.mock.timers.tick(ms)` moves it. */
export const stopClock = (t) => t.mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 });

/** A storage like the browser's. */
export class Shelf {
  items = new Map();
  get length() {
    return this.items.size;
  }
  key = (index) => [...this.items.keys()][index] ?? null;
  getItem = (key) => this.items.get(key) ?? null;
  setItem = (key, value) => void this.items.set(key, value);
  removeItem = (key) => void this.items.delete(key);
}
