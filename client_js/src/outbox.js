/**
 * Commands that have no reply yet. Each has a `ref`, made here: it is sent again after every reconnect until
 * it is replied to, and the server takes it once. With a storage it survives a reload of the page, if it still means
 * something there.
 */

import { HoldfastError } from "./errors.js";
import { backoff } from "./reconnect.js";

/** @typedef {import("./connection.js").Frame} Frame */
/** @typedef {Pick<Storage, "length" | "key" | "getItem" | "setItem" | "removeItem">} Shelf like `localStorage` */

/**
 * @typedef {object} Waiting
 * @property {Frame} frame
 * @property {(reply: Frame) => void} [resolve]
 * @property {(error: HoldfastError) => void} [reject]
 * @property {number} tries
 */

const FRAME_MAX_BYTES = 256 * 1024; // the server would close the connection, again and again
const WAITING_MAX = 100;
const TRIES_MAX = 5; // of what was answered "not now": some 10 s
const KEPT_MS = 24 * 3_600_000; // what is older was meant for another day

/** What has no meaning on the page after this one: who looks, how far a device is, what is older. */
const MOMENTARY = /^(claim|progress|history)$/;

/** Half a character, which would make an id another one when it is sent; other text may lose it. */
const BAD_ID = /"(ref|id|session|turn|interrupt|toolCallId)":"[^"\\]*\\ud/;

/** A new command's id. `crypto.randomUUID` is not there on pages without TLS, as in a local network. */
export const newRef = () => crypto.getRandomValues(new Uint32Array(4)).join("-");

/**
 * @param {(frame: Frame) => void} send
 * @param {() => void} changed called when `frames` is another
 * @param {string} prefix of the keys in the storage
 * @param {Shelf} [storage]
 */
export const createOutbox = (send, changed, prefix, storage) => {
  /** @type {Map<string, Waiting>} */
  const waiting = new Map();
  let subject = "";
  /** @type {HoldfastError | undefined} */
  let over;

  const outbox = {
    /** What waits for a reply, oldest first; another array after every change. @type {Frame[]} */
    frames: [],

    /**
     * Send a command, now or as soon as possible; resolves to its reply.
     *
     * @param {Frame} given
     * @returns {Promise<Frame>}
     */
    post: (given) =>
      new Promise((resolve, reject) => {
        const frame = { ref: newRef(), ...given };
        if (over) throw over;
        const json = JSON.stringify(frame);
        if (BAD_ID.test(json)) throw new HoldfastError("bad_request");
        if (new Blob([json]).size > FRAME_MAX_BYTES) throw new HoldfastError("too_large");
        if (waiting.size >= WAITING_MAX) throw new HoldfastError("limit_reached");
        put({ frame, resolve, reject, tries: 0 });
        shelve(frame);
        send(frame);
      }),

    /**
     * Take a reply, and say whether it was to one of these.
     *
     * @param {Frame} reply
     */
    settle: (reply) => {
      const entry = waiting.get(reply.ref);
      if (!entry) return false;
      if (reply.type !== "error") take(entry).resolve?.(reply);
      else if (reply.retry && entry.tries < TRIES_MAX) setTimeout(resend, backoff(entry.tries++), entry);
      else take(entry).reject?.(refusal(reply));
      return true;
    },

    /**
     * The connection is there (again), for this subject: send all that waits.
     *
     * @param {string} whose
     */
    opened: (whose) => {
      if (subject !== whose) {
        if (subject) drop(new HoldfastError("forbidden", "another person has signed in"));
        subject = whose;
        outbox.frames.forEach(shelve);
        unshelve();
      }
      waiting.forEach(resend);
    },

    /**
     * There will be no connection any more.
     *
     * @param {HoldfastError} error
     */
    stop: (error) => drop((over = error)),
  };

  /** Give up all that waits; it is not sent later either. @param {HoldfastError} error */
  const drop = (error) => waiting.forEach((entry) => take(entry).reject?.(error));

  /** @param {Waiting} entry */
  const resend = ({ frame }) => waiting.has(frame.ref) && send(frame);

  /** @param {Waiting} entry */
  const put = (entry) => {
    waiting.set(entry.frame.ref, entry);
    update();
  };

  /** @param {Waiting} entry */
  const take = (entry) => {
    const { ref } = entry.frame;
    waiting.delete(ref);
    storage?.removeItem(prefix + ref);
    update();
    return entry;
  };

  const update = () => {
    outbox.frames = Array.from(waiting.values(), ({ frame }) => frame);
    changed();
  };

  /** One item a command, so that two tabs do not overwrite each other. @param {Frame} frame */
  const shelve = (frame) => {
    if (MOMENTARY.test(frame.type)) return;
    try {
      storage?.setItem(prefix + frame.ref, JSON.stringify({ subject, frame, at: Date.now() }));
    } catch {} // a full storage must not keep a command from being sent
  };

  /** Take up what a page before this one left, if it was of the same person. */
  const unshelve = () => {
    for (let i = storage?.length ?? 0; i--; ) {
      const key = /** @type {string} */ (storage?.key(i));
      if (!key.startsWith(prefix)) continue;
      const { frame, at, ...kept } = JSON.parse(storage?.getItem(key) ?? "{}");
      if (kept.subject !== subject || Date.now() - at > KEPT_MS) storage?.removeItem(key);
      else if (!waiting.has(frame.ref)) put({ frame, tries: 0 });
    }
  };

  return outbox;
};

/** @param {Frame} error a frame of that type */
export const refusal = ({ code, message, retry, details }) => new HoldfastError(code, message, retry, details);
