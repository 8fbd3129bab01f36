/**
 * A session as one device sees it: a store to subscribe to, and what can be done in it.
 */

import { newRef, refusal } from "./outbox.js";
import { backoff } from "./reconnect.js";
import { EMPTY } from "./state.js";

/** @typedef {import("./connection.js").Frame} Frame */
/** @typedef {import("./errors.js").HoldfastError} HoldfastError */
/** @typedef {import("./state.js").State} State */
/** @typedef {import("./state.js").Decision} Decision */
/** @typedef {import("./state.js").Interrupt} Interrupt */
/** @typedef {import("./messages.js").Message} Message */

/** @typedef {Interrupt & {canAnswer: boolean, sending: boolean}} ShownInterrupt `sending`: this device's answer is on its way */
/** @typedef {{outcome: "won" | "lost" | "recorded", decision?: Decision, vote?: any, grant?: string}} Answered `grant`: the id of the one that was given with it */
/** @typedef {string | {parts: any[], metadata?: Record<string, any>}} Sendable */
/** @typedef {{connection: string, subject: string, name?: string, device?: string}} Device */

/**
 * @typedef {object} Snapshot what is to be shown; the same object until something changed
 * @property {"connecting" | "live" | "reconnecting" | "stopped"} connection `live`: up to date, and followed
 * @property {import("./state.js").SessionInfo} [session]
 * @property {Message[]} messages
 * @property {Message[]} unsent this device's messages that the server does not have yet
 * @property {ShownInterrupt[]} interrupts open ones and, with their `decision`, closed ones; in the order of opening
 * @property {import("./state.js").Turn | undefined} turn the one that runs, waits or is blocked, else the last one
 * @property {Record<string, import("./state.js").Turn>} turns
 * @property {any} state the shared document; `patchState` of `holdfast/commands` changes it
 * @property {number} stateVersion how often it was changed
 * @property {Device[]} devices
 * @property {boolean} hasOlder
 * @property {HoldfastError | undefined} error why the session cannot be shown
 */

/**
 * @typedef {object} Host what a session needs of its client
 * @property {ReturnType<typeof import("./outbox.js").createOutbox>} outbox
 * @property {(frame: Frame) => void} send
 * @property {(frame: Frame) => Promise<Frame>} command
 * @property {Principal} principal
 * @property {HoldfastError | undefined} error
 * @property {() => void} asked called when the interrupts of a session are others
 */

/** @typedef {{subject: string, roles: string[], can: string[], name?: string, actor?: string, deputyFor?: StandsIn[]}} Principal */
/** @typedef {{subject: string, roles: string[], until: number}} StandsIn somebody who is away, in whose place one may answer */
/** @typedef {ReturnType<typeof createSession>} Session */

const RETRY = 3; // waits as before the third try to connect
const NO_STATE = {}; // the same object until there is one
const LINGER_MS = 5_000; // a page that changes its view subscribes again at once

/** The rules of folding: only who follows a session needs them. @type {typeof import("./folding.js")} */
let rules;
const load = async () => {
  rules ??= await import("./folding.js");
};

/**
 * @param {string} id
 * @param {Host} host
 */
export const createSession = (id, host) => {
  const { outbox } = host;
  /** @type {Set<() => void>} */
  const listeners = new Set();
  /** @type {State} */
  let state = EMPTY;
  /** @type {Snapshot | undefined} */
  let view;
  /** @type {Partial<Snapshot>} */
  let last = {};
  /** @type {Device[]} */
  let devices = [];
  /** @type {HoldfastError | undefined} */
  let error;
  let held = false; // also while nobody subscribes
  let wanted = false;
  let attached = false;
  let head = 0; // up to date from there on
  let scheduled = false;
  let ref = "";
  /** @type {ReturnType<typeof setTimeout>} */
  let timer;
  /** @type {Promise<boolean> | undefined} */
  let loading;

  // -------------------------------------------------------------- what is shown

  /** @returns {Snapshot} */
  const getSnapshot = () => {
    const { session, turns, interrupts, more, state: shared = NO_STATE, stateVersion = 0 } = state;
    return (view ??= last =
      {
        connection: connection(),
        session,
        messages: same(last.messages, rules ? rules.shown(state) : []),
        unsent: same(last.unsent, outbox.frames.filter(isUnsent).map(({ message }) => message)),
        interrupts: same(last.interrupts, Object.values(interrupts).sort(byOpening).map(show)),
        turn: current(Object.values(turns)),
        turns,
        state: shared,
        stateVersion,
        devices,
        hasOlder: !!more,
        error: error ?? host.error,
      });
  };

  const connection = () => {
    if (error ?? host.error) return "stopped";
    if (!state.epoch) return "connecting";
    return attached && state.seq >= head ? "live" : "reconnecting";
  };

  /** @type {WeakMap<Interrupt, ShownInterrupt>} */
  const known = new WeakMap();

  /** @param {Interrupt} interrupt */
  const show = (interrupt) => {
    const open = !interrupt.decision;
    const canAnswer = open && mayAnswer(interrupt, host.principal);
    const sending = open && outbox.frames.some((frame) => isAnswer(frame, interrupt));
    let own = known.get(interrupt);
    if (own?.canAnswer !== canAnswer || own.sending !== sending) {
      known.set(interrupt, (own = { ...interrupt, canAnswer, sending }));
    }
    return own;
  };

  /** @param {Frame} frame */
  const isUnsent = (frame) =>
    frame.type === "send" &&
    frame.session === id &&
    frame.message &&
    !state.placed.some(({ message }) => message.metadata?.ref === frame.ref);

  const changed = () => {
    view = undefined;
    if (scheduled || !listeners.size) return;
    scheduled = true;
    soon(() => {
      scheduled = false;
      for (const listener of listeners) listener();
    });
  };

  /** @param {State} next */
  const set = (next) => {
    const asked = next.interrupts !== state.interrupts;
    state = next;
    changed();
    if (asked) host.asked();
  };

  // -------------------------------------------------------------- following

  const attach = () => {
    wanted = true;
    attached = false;
    error = undefined;
    const own = (ref = newRef());
    const ask = () => {
      const { epoch, seq } = state;
      if (!wanted || own !== ref) return;
      host.send({ type: "attach", ref, session: id, since: epoch ? { epoch, seq } : undefined });
    };
    if (rules) ask();
    else load().then(ask, ({ message }) => receive({ type: "error", ref: own, code: "unavailable", message, retry: true }));
    changed();
  };

  const detach = () => {
    wanted = held = false;
    host.send({ type: "detach", session: id });
    turned();
  };

  /** The connection came or went. */
  const turned = () => {
    attached = false;
    devices = [];
    if (wanted) attach();
    changed();
  };

  /**
   * What the server says of this session. A `gap` is not looked at: the snapshot after it replaces what is here.
   *
   * @param {Frame} frame
   */
  const receive = (frame) => {
    const { type, seq, from = seq } = frame;
    if (type === "event" && attached && seq > state.seq) {
      // Something is missing: ask for it, from where we are.
      if (from > state.seq + 1) attach();
      else set(rules.fold(state, /** @type {any} */ (frame)));
    } else if (type === "attached" && wanted) {
      const { mode, snapshot, epoch } = frame;
      attached = true;
      head = frame.head;
      set(mode === "snapshot" ? rules.fromSnapshot(snapshot, epoch, seq) : { ...state, epoch });
    } else if (type === "presence") {
      devices = frame.devices;
      changed();
    } else if (type === "error" && (frame.ref ?? ref) === ref) {
      attached = false;
      if (frame.retry) setTimeout(() => wanted && !attached && attach(), backoff(RETRY));
      else error = refusal(frame);
      changed();
    }
  };

  // -------------------------------------------------------------- doing

  /** Ask for something in this session; resolves to the reply. @param {Frame} frame */
  const command = (frame) => host.command({ ...frame, session: id });

  /** As its event would, which may come later: no card opens again in between. @param {string} interrupt @param {Decision} decision */
  const close = (interrupt, decision) => {
    const event = { type: "interrupt.closed", interrupt, decision };
    if (state.interrupts[interrupt]) set(rules.apply(state, { seq: 0, at: 0, event }));
  };

  /**
   * @param {string} interrupt
   * @param {any} payload
   * @param {"resolved" | "cancelled"} [status]
   * @returns {Promise<Answered>}
   */
  const answer = async (interrupt, payload, status = "resolved") => {
    const { type, ref, ...answered } = await command({ type: "answer", interrupt, status, payload });
    return /** @type {any} */ (answered);
  };

  const older = async () => {
    const { before, more } = state;
    if (!more) return false;
    const page = await command({ type: "history", before });
    // A snapshot may have come meanwhile: then the page is not next to what is here.
    if (state.before === before) set(rules.absorb(state, /** @type {any} */ (page)));
    return !!state.more;
  };

  const session = {
    id,
    getSnapshot,

    /**
     * Call `listener` after changes, at most once a frame of the screen; follows the session meanwhile.
     *
     * @param {() => void} listener
     * @returns {() => void} ends it
     */
    subscribe: (listener) => {
      listeners.add(listener);
      if (!wanted) attach();
      return () => {
        listeners.delete(listener);
        clearTimeout(timer);
        timer = setTimeout(() => listeners.size || held || detach(), LINGER_MS);
      };
    },

    command,

    /** Follow the session though nobody subscribes, until `detach`. */
    attach: () => {
      held = true;
      attach();
    },
    detach,

    /**
     * Say something; resolves when the server has it, to what it causes or steers, and what it waits for.
     *
     * @param {Sendable | null} message null, with the agent's message as `replaces`: it is to answer once more
     * @param {{mode?: "queue" | "steer" | "replace" | "reject", replaces?: string}} [options] `replaces`: in whose place
     * @returns {Promise<{seq: number, turn?: string, behind?: string, ahead?: number, steers?: boolean, [field: string]: any}>}
     */
    send: async (message, options) => {
      const own = newRef();
      const { type, ref, ...sent } = await command({ type: "send", ref: own, message: message && sendable(message, own), ...options });
      return /** @type {any} */ (sent);
    },

    /**
     * Say yes to exactly what was shown, or to edited arguments (`input`): it is a `conflict` if others stand by now.
     *
     * @param {string} interrupt
     * @param {{reason?: string, input?: any, metadata?: Record<string, any>, grant?: {scope: "session" | "agent" | "person", input?: any, until?: number}}} [more]
     */
    approve: (interrupt, more) =>
      answer(interrupt, { inputHash: hashOf(state.interrupts[interrupt]), ...more, approved: true }),

    /** @param {string} interrupt @param {{reason?: string, metadata?: Record<string, any>}} [more] */
    deny: (interrupt, more) => answer(interrupt, { ...more, approved: false }),

    /** Answer with the payload that its kind has; the status `cancelled` settles that one call only. */
    answer,

    /**
     * Answer by tool call; one result per update.
     *
     * @param {string | undefined} message the message in which the calls stand
     * @param {{type: string, toolCallId: string, [field: string]: any}[]} updates
     * @returns {Promise<(Partial<Answered> & {toolCallId: string, error?: any})[]>}
     */
    update: async (message, updates) => (await command({ type: "update", message, updates })).results,

    /** Stop a turn: the one that is shown now, if none is named. @param {string} [turn] */
    cancel: async (turn = getSnapshot().turn?.id) => {
      await command({ type: "cancel", turn });
    },

    /** The turn that a message causes, or that writes it. @param {string} id of a message that is shown */
    turnOf: (id) => state.placed.find(({ message }) => message.id === id)?.turn,

    /** Load a page of older messages; resolves to whether there are still older ones. @returns {Promise<boolean>} */
    loadOlder: () => (loading ??= older().finally(() => (loading = undefined))),
  };

  /** With what the client passes on. */
  return { session, receive, changed, turned, close };
};

/**
 * What a device sends, with the command's `ref`, by which it knows its own message again.
 *
 * @param {Sendable} message
 * @param {string} ref
 */
export const sendable = (message, ref) => {
  const given = typeof message === "string" ? { parts: [{ type: "text", text: message }] } : message;
  return { id: ref, role: "user", ...given, metadata: { ...given.metadata, ref } };
};

/** @param {Frame} frame @param {Interrupt} interrupt */
const isAnswer = (frame, { id, session, toolCallId }) =>
  (/^(answer|withdraw)/.test(frame.type) &&
    (frame.answers ?? [frame]).some((/** @type {any} */ each) => each.interrupt === id)) ||
  (frame.session === session && frame.updates?.some((/** @type {any} */ each) => each.toolCallId === toolCallId));

/** Of the arguments that stand: a voter may have edited them. @param {Interrupt} [shown] */
const hashOf = (shown) => (shown?.edited ?? shown)?.inputHash;

/** Whether this principal may answer: a hint for what to show, the server decides. @param {Interrupt} interrupt @param {Principal} principal */
const mayAnswer = ({ approvers, requester }, principal) => {
  const { roles = [], subjects = [], members, notRequester } = approvers ?? {};
  const mayDecide = (/** @type {{subject: string}} */ { subject }) => !(notRequester && requester === subject);
  const absent = principal.deputyFor?.filter(({ until }) => until > Date.now()) ?? [];
  return (
    mayDecide(principal) &&
    principal.can.some((right) => right === "answer" || right === "admin") &&
    (members ||
      !(roles[0] || subjects[0]) ||
      [principal, ...absent].some(
        (who) => mayDecide(who) && (subjects.includes(who.subject) || roles.some((role) => who.roles.includes(role))),
      ))
  );
};

/** @param {import("./state.js").Turn[]} turns */
const current = (turns) =>
  turns.find(({ status }) => /^[rwb]/.test(status)) ?? turns.sort((a, b) => a.first - b.first).at(-1);

/** @type {(a: Interrupt, b: Interrupt) => number} */
const byOpening = (a, b) => (a.openedAt ?? 0) - (b.openedAt ?? 0);

/** Before the next picture where there are pictures: many events are then one change. @param {() => void} task */
const soon = (task) =>
  globalThis.document?.visibilityState === "visible" ? requestAnimationFrame(task) : queueMicrotask(task);

/** The old list if the new one has the same in it. @type {<T>(old: T[] | undefined, now: T[]) => T[]} */
const same = (old, now) => (old?.length === now.length && old.every((each, i) => each === now[i]) ? old : now);
