/**
 * A connection that comes back: it wraps connections and looks like one. `opened` is called each time,
 * `lost` when it is gone for now, and `closed` only when it will not come back.
 */

import { connection } from "./connection.js";

/** @typedef {import("./connection.js").Listener & {lost: () => void}} PatientListener */

const MIN_MS = 500;
const MAX_MS = 20_000;
const STABLE_MS = 10_000; // a connection that lasted longer was a good one
const TOKEN_EXPIRED = 4001; // comes back, but of no use with the same token
const UNAUTHENTICATED = 4500;

/** The time before another try: full jitter, so that many who were cut off together do not return together. @param {number} tries */
export const backoff = (tries) =>
  MIN_MS + Math.random() * (Math.min(MAX_MS, MIN_MS * 2 ** tries) - MIN_MS);

/** Whether a close code says that the same would happen again. @param {number} code */
const isFinal = (code) => /^([34][5-9]..|100[29])$/.test(`${code}`);

/**
 * Connect, and again whenever the connection is lost.
 *
 * @param {import("./connection.js").LinkOptions} options
 * @param {PatientListener} listener
 * @param {typeof connection} [open] how to make one connection
 * @returns {import("./connection.js").Link}
 */
export const reconnect = (options, listener, open = connection) => {
  /** @type {import("./connection.js").Link | undefined} */
  let link;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** @type {number | undefined} */
  let advised; // by the server, which spreads those that it sends away
  let tries = 0;
  let openedAt = Infinity;
  let refused = false;
  const stopping = new AbortController();
  const { signal } = stopping;

  const dial = () => {
    clearTimeout(timer);
    timer = undefined;
    link = open(options, {
      opened: (welcome) => {
        openedAt = Date.now();
        refused = false;
        listener.opened(welcome);
      },
      frame: (frame) => {
        if (frame.type === "closing") advised = frame.reconnect_after_ms;
        listener.frame(frame);
      },
      closed,
    });
  };

  /** @param {number} code @param {string} reason */
  const closed = (code, reason) => {
    if (signal.aborted) return;
    link = undefined;
    const renewable = typeof options.token === "function";
    if (code === UNAUTHENTICATED && renewable && !refused) refused = true; // once more with another token
    else if (isFinal(code) || (code === TOKEN_EXPIRED && !renewable)) return stop(code, reason);
    if (Date.now() - openedAt > STABLE_MS) tries = 0;
    openedAt = Infinity;
    timer = setTimeout(dial, advised ?? backoff(tries++));
    advised = undefined;
    listener.lost();
  };

  /** @param {number} code @param {string} reason */
  const stop = (code, reason) => {
    if (signal.aborted) return;
    stopping.abort();
    clearTimeout(timer);
    link?.close();
    listener.closed(code, reason);
  };

  /** Something happened to the network, or the device woke up: a timer may be long, and a socket dead. */
  const probe = () => (timer ? dial() : link?.probe());

  for (const type of ["online", "offline", "visibilitychange"]) {
    globalThis.addEventListener?.(type, probe, { signal });
  }
  dial();
  return { send: (frame) => link?.send(frame), probe, close: () => stop(1000, "closed") };
};
