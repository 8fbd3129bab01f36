/** All that waits for this person, over all sessions: a store like a session's, read over HTTP. */

import { addressOf, secretOf } from "./connection.js";
import { HoldfastError } from "./errors.js";

const REFRESH_MS = 30_000; // for what happens in sessions that are not attached
const SETTLE_MS = 250; // several events of one commit are one refresh

/** @param {Error} error */
const unreachable = ({ message }) => new HoldfastError("unavailable", message, true);

const SHOWN_MAX = 1_000; // nobody reads more of them, and each page is a request

/** @typedef {{interrupts: import("./state.js").Interrupt[], hasMore: boolean, error?: HoldfastError}} Inbox newest first */

/** @param {import("./connection.js").LinkOptions & {fetch?: typeof globalThis.fetch}} options */
export const createInbox = ({ url, token, fetch = globalThis.fetch }) => {
  /** @type {Set<() => void>} */
  const listeners = new Set();
  /** @type {Inbox} */
  let view = { interrupts: [], hasMore: false };
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let begun = 0;
  let shown = 0;

  /** @param {string} [cursor] */
  const page = async (cursor) => {
    const secret = await secretOf(token);
    const headers = secret ? { authorization: `Bearer ${secret}` } : undefined;
    const query = `interrupts?limit=200${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`;
    const response = await fetch(addressOf(url, "http", query), { headers });
    const body = await response.json();
    if (!response.ok) throw new HoldfastError(body.code, body.detail, response.status > 499);
    return body;
  };

  /** @returns {Promise<Inbox>} */
  const read = async () => {
    const interrupts = [];
    let next;
    do {
      const body = await page(next);
      interrupts.push(...body.interrupts);
      next = body.next;
    } while (next && interrupts.length < SHOWN_MAX);
    return { interrupts, hasMore: !!next };
  };

  const refresh = async () => {
    const own = ++begun;
    later(REFRESH_MS);
    const now = await read().catch((error) => ({ ...view, error: error.code ? error : unreachable(error) }));
    if (own < shown) return; // one that began later was faster
    shown = own;
    view = merged(view, now);
    for (const listener of listeners) listener();
  };

  /** @param {number} ms */
  const later = (ms) => {
    clearTimeout(timer);
    if (listeners.size) timer = setTimeout(refresh, ms);
  };

  return {
    getSnapshot: () => view,
    /** Read it again now; it is read now and then while somebody subscribes. */
    refresh,
    /** Something was asked or settled: look again soon, if anybody looks. */
    stale: () => later(SETTLE_MS),
    /** @param {() => void} listener */
    subscribe: (listener) => {
      listeners.add(listener);
      refresh();
      return () => {
        listeners.delete(listener);
        if (!listeners.size) clearTimeout(timer);
      };
    },
  };
};

/** What is as it was stays the same object. @param {Inbox} old @param {Inbox} now */
const merged = (old, now) => {
  if (JSON.stringify(old) === JSON.stringify(now)) return old;
  const known = new Map(old.interrupts.map((each) => [JSON.stringify(each), each]));
  return { ...now, interrupts: now.interrupts.map((each) => known.get(JSON.stringify(each)) ?? each) };
};
