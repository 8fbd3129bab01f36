/** The device in JavaScript: connect, and follow and steer the sessions of a Holdfast server. */

import { HoldfastError } from "./errors.js";
import { createInbox } from "./inbox.js";
import { createOutbox, newRef } from "./outbox.js";
import { reconnect } from "./reconnect.js";
import { createSession, sendable } from "./session.js";

export { HoldfastError };

/** @typedef {import("./connection.js").Frame} Frame */
/** @typedef {import("./connection.js").LinkOptions & {storage?: import("./outbox.js").Shelf, fetch?: typeof globalThis.fetch, onchange?: (live?: boolean, error?: HoldfastError) => void}} Options */
/** @typedef {import("./session.js").Session["session"]} Session */
/** @typedef {import("./session.js").Snapshot} Snapshot */
/** @typedef {import("./session.js").ShownInterrupt} Interrupt */
/** @typedef {import("./session.js").Answered} Answered */
/** @typedef {import("./state.js").Decision} Decision */
/** @typedef {import("./state.js").Turn} Turn */
/** @typedef {import("./state.js").Message} Message */
/** @typedef {import("./handlers.js").Handler} Handler */
/** @typedef {ReturnType<typeof connect>} Client */

/** Close code → what it means. @type {Record<number, string>} */
const MEANINGS = { 1000: "closed", 1009: "too_large", 4001: "token_expired", 4500: "unauthenticated" };

/**
 * Connect to a server. It stays connected, through losses of the network, until `close()`, or until the
 * server says that coming back is of no use: then sessions are `stopped` and have its `error`.
 *
 * @param {Options} options
 */
export const connect = (options) => {
  if (!(options.WebSocket ?? globalThis.WebSocket)) {
    throw new HoldfastError("bad_request", "pass `WebSocket`");
  }
  /** @type {Map<string, import("./session.js").Session>} */
  const sessions = new Map();
  /** What runs client tools here, by tool. @type {Map<string, import("./handlers.js").Handler>} */
  const tools = new Map();
  /** Loaded with the first of them; once more if that failed. @type {Promise<ReturnType<typeof import("./handlers.js").createHandlers> | void> | undefined} */
  let hands;
  const inbox = createInbox(options);

  const changed = () => {
    for (const { changed } of sessions.values()) changed();
  };

  /** Have the handlers do something, if there are any. @param {"look" | "opened"} what */
  const handling = (what) => {
    if (tools.size) {
      hands ??= import("./handlers.js").then(
        ({ createHandlers }) => createHandlers(tools, sessions),
        () => (hands = undefined),
      );
    }
    hands?.then((all) => all?.[what]());
  };

  /** @param {boolean} [live] */
  const turned = (live) => {
    for (const { turned } of sessions.values()) turned();
    options.onchange?.(live, host.error);
  };

  /** @param {Frame} frame */
  const send = (frame) => link.send(frame);

  /** @type {import("./session.js").Host} */
  const host = {
    outbox: createOutbox(send, changed, `holdfast:${options.url}:`, options.storage),
    send,
    command: async (frame) => {
      const reply = await host.outbox.post(frame);
      for (const { interrupt = frame.interrupt, decision } of reply.results ?? [reply]) {
        if (!decision) continue;
        inbox.stale();
        for (const { close } of sessions.values()) close(interrupt, decision);
      }
      return reply;
    },
    principal: { subject: "", roles: [], can: [] },
    error: undefined,
    asked: () => {
      handling("look");
      inbox.stale();
    },
  };

  /** @param {Frame} frame */
  const receive = (frame) => {
    if (host.outbox.settle(frame)) return;
    const named = sessions.get(frame.session ?? frame.details?.session);
    if (named) named.receive(frame);
    else if (frame.ref) for (const { receive } of sessions.values()) receive(frame);
  };

  const link = reconnect(options, {
    opened: ({ principal }) => {
      host.principal = principal;
      turned(true);
      host.outbox.opened(principal.subject);
      handling("opened");
    },
    frame: receive,
    lost: turned,
    closed: (code, reason) => {
      host.error = new HoldfastError(MEANINGS[code] ?? "refused", reason, false, { code });
      host.outbox.stop(host.error);
      turned();
    },
  });

  /** @param {string} id */
  const session = (id) => {
    const known = sessions.get(id) ?? createSession(id, host);
    sessions.set(id, known);
    return known.session;
  };

  return {
    /**
     * Ask for whatever a frame can say (`holdfast/commands` has the words for it); resolves to the reply. Within a
     * session it is `session.command`. It has a ref, is sent again until it is replied to, and is done once.
     */
    command: host.command,

    /** The session of this id, the same object each time. It is followed while somebody subscribes. */
    session,

    /**
     * Start a session, with a first message or input.
     *
     * @param {string} agent
     * @param {{id?: string, message?: import("./session.js").Sendable, input?: any, title?: string, metadata?: any}} [more]
     */
    start: async (agent, { message, ...more } = {}) => {
      const ref = newRef();
      const first = message && sendable(message, ref);
      return session((await host.command({ type: "start", ref, agent, message: first, ...more })).session);
    },

    /**
     * Run a client tool here, in all sessions that are followed: its output answers the call, an exception is its
     * error. Of several devices one runs a call, and another takes over when it is gone.
     *
     * @param {string} tool `*` is for all that have no handler of their own
     * @param {import("./handlers.js").Handler} handler may stop when its `signal` says that it is not ours any more
     * @returns {() => void} takes it away again
     */
    handle: (tool, handler) => {
      tools.set(tool, handler);
      handling("look");
      return () => {
        if (tools.get(tool) === handler) tools.delete(tool);
      };
    },

    inbox,

    /** Who the server says that we are; nobody before it does. */
    get principal() {
      return host.principal;
    },

    /** For good. What has no reply yet is given up. */
    close: () => link.close(),
  };
};
