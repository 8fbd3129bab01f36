/**
 * Tools that run on this device: a call is claimed, run and answered here, unless another device does it. What is
 * another's is left alone until an event says that it is free.
 */

import { newRef } from "./outbox.js";

/** @typedef {import("./session.js").Session["session"]} Session */
/** @typedef {import("./session.js").ShownInterrupt} ShownInterrupt */
/**
 * @typedef {object} Context
 * @property {AbortSignal} signal aborted when another device took over, or the call was settled elsewhere
 * @property {ShownInterrupt} interrupt its `toolCallId` is the same on whatever device the call runs
 * @property {(told: any) => void} progress says how far it is, to all devices: any JSON of at most 4 KiB
 */
/** @typedef {(input: any, context: Context) => any} Handler */

const RUNNING_MAX = 16; // at once; what is beyond that is left to other devices, or to later
const RENEW_MS = 10_000; // a third of what a claim lasts: two may fail
const AGAIN_MS = 500; // after what was refused for now: its event may still be on its way
const PROGRESS_MS = 600; // between two; a server takes one in half a second

/**
 * @param {Map<string, Handler>} handlers by tool; `*` is for all others
 * @param {Map<string, {session: Session}>} sessions
 */
export const createHandlers = (handlers, sessions) => {
  const device = newRef(); // over all its connections
  /** What is done here, by interrupt. @type {Map<string, ReturnType<typeof createRun>>} */
  const runs = new Map();
  /** Answered here, or refused to this device, and not seen to be closed yet. @type {Set<string>} */
  const done = new Set();

  /** Begin what can be begun, and stop what was settled elsewhere. */
  const look = () => {
    for (const { session } of sessions.values()) {
      for (const interrupt of session.getSnapshot().interrupts) lookAt(interrupt, session);
    }
  };

  /** @param {ShownInterrupt} interrupt @param {Session} session */
  const lookAt = (interrupt, session) => {
    const { id, kind, toolName = "", decision, claim, canAnswer, sending } = interrupt;
    if (kind !== "client_tool") return;
    const handler = handlers.get(toolName) ?? handlers.get("*");
    const free = !claim || claim.device === device;
    if (decision) {
      done.delete(id);
      runs.get(id)?.stop();
    } else if (handler && free && canAnswer && !sending && !runs.has(id) && !done.has(id) && runs.size < RUNNING_MAX) {
      begin(handler, interrupt, session);
    }
  };

  /** @param {Handler} handler @param {ShownInterrupt} interrupt @param {Session} session */
  const begin = async (handler, interrupt, session) => {
    const { id } = interrupt;
    const run = createRun(handler, interrupt, session, device);
    runs.set(id, run);
    if (await run.run()) done.add(id);
    else await pause(AGAIN_MS);
    runs.delete(id);
    look();
  };

  return {
    look,

    /** There is another connection: what is claimed is claimed over it at once. */
    opened: () => {
      for (const { renew } of runs.values()) renew();
    },
  };
};

/** One call, from its claim to its answer. @param {Handler} handler @param {ShownInterrupt} interrupt @param {Session} session @param {string} device */
const createRun = (handler, interrupt, session, device) => {
  const stopped = new AbortController();
  const { signal } = stopped;
  const stop = () => stopped.abort();
  /** @type {any} */
  let told; // and not sent yet
  let sent = 0; // when the last progress was
  let asking = true; // for the first claim
  let again = false;
  let over = false;
  /** @type {ReturnType<typeof setTimeout>} */
  let timer;

  /** @param {string} type @param {object} [more] */
  const say = (type, more) => session.command({ type, interrupt: interrupt.id, device, ...more });

  /** Say that it is done here, and how far it is; and again later, until it is not. */
  const renew = async () => {
    if (asking) again = true;
    if (asking || over || signal.aborted) return;
    clearTimeout(timer);
    asking = true;
    again = false;
    const progress = told;
    told = undefined;
    if (progress !== undefined) sent = Date.now();
    await say(progress === undefined ? "claim" : "progress", { progress }).catch(({ code, retry }) => {
      if (!retry && code !== "limit_reached") stop(); // another device has it, or nobody needs it
    });
    asking = false;
    next(again ? 0 : RENEW_MS);
  };

  /** @param {number} wait_ms */
  const next = (wait_ms) => {
    clearTimeout(timer);
    const until = told === undefined ? wait_ms : Math.max(0, sent + PROGRESS_MS - Date.now());
    if (!over && !signal.aborted) timer = setTimeout(renew, until);
  };

  /** @param {any} value */
  const progress = (value) => {
    told = value ?? null;
    if (!asking) next(RENEW_MS);
  };

  /** What was done here must not be done again: until it is known. Whether that is so. @param {{output?: any, error?: string}} payload */
  const answer = async (payload) => {
    for (;;) {
      try {
        await say("answer", { status: "resolved", payload });
        return true;
      } catch (/** @type {any} */ error) {
        if (error.retry) await pause(AGAIN_MS);
        else if (error.code === "conflict") return false; // it failed here, and another device does it
        else if (payload.error !== undefined) return true;
        else payload = failed(error); // nobody else would tell the agent
      }
    }
  };

  /** Resolves to whether there is nothing left to do here. */
  const run = async () => {
    try {
      await say("claim");
    } catch (/** @type {any} */ { code, retry }) {
      return !retry && code !== "conflict";
    }
    asking = false;
    next(again ? 0 : RENEW_MS);
    const payload = await work();
    over = true;
    clearTimeout(timer);
    return payload ? answer(payload) : false;
  };

  /** @returns {Promise<{output?: any, error?: string} | undefined>} */
  const work = async () => {
    try {
      const output = (await handler(interrupt.input, { signal, interrupt, progress })) ?? null;
      const { decision } = session.getSnapshot().interrupts.find(({ id }) => id === interrupt.id) ?? {};
      return decision ? undefined : { output };
    } catch (error) {
      return signal.aborted ? undefined : failed(error);
    }
  };

  return { run, renew, stop };
};

/** @param {any} error */
const failed = (error) => ({ error: `${error?.message ?? error}` });

/** @param {number} ms */
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
