/**
 * Folds the log of a session, event by event, by the same rules as `server/holdfast/core/folding.py`, which
 * gives the reasons. Nothing is changed in place: what an event does not touch stays the same object.
 *
 * These rules are a third of all the code, and of use only to who follows a session: they are loaded then.
 */

import { foldChunk, interrupted } from "./messages.js";
import { EMPTY } from "./state.js";

/** @typedef {import("./messages.js").Message} Message */
/** @typedef {import("./state.js").State} State */
/** @typedef {import("./state.js").Placed} Placed */
/** @typedef {import("./state.js").Turn} Turn */

/** @typedef {{type: string, [field: string]: any}} Event */
/** @typedef {{seq: number, at: number, event: Event}} Positioned */

/**
 * The state after one more event; one that was folded already is passed over.
 *
 * @param {State} state
 * @param {Positioned} entry
 * @returns {State}
 */
export const fold = (state, entry) =>
  entry.seq > state.seq ? { ...apply(state, entry), seq: entry.seq } : state;

/**
 * The state that a snapshot shows.
 *
 * @param {any} snapshot
 * @param {string} epoch
 * @param {number} seq
 * @returns {State}
 */
export const fromSnapshot = ({ messages, places, turns, interrupts, ...rest }, epoch, seq) => ({
  ...rest,
  turns: byId(turns),
  interrupts: byId(interrupts),
  epoch,
  seq,
  placed: messages.map((/** @type {Message} */ message) => ({ ...places[message.id], message })),
});

/**
 * @template {{id: string, [field: string]: any}} T
 * @param {T[]} list
 * @returns {Record<string, T>}
 */
const byId = (list) => Object.fromEntries(list.map((one) => [one.id, one]));

/**
 * The state with a page of history; what the state has is newer, and stays.
 *
 * @param {State} state
 * @param {{events: Positioned[], from: number, more: boolean}} page
 * @returns {State}
 */
export const absorb = (state, { events, from, more }) => {
  const past = events.reduce(apply, EMPTY);
  return {
    ...state,
    placed: state.placed.reduce(place, past.placed),
    turns: { ...past.turns, ...state.turns },
    interrupts: { ...past.interrupts, ...state.interrupts },
    more,
    before: from,
  };
};

/**
 * The messages of the branch that is shown, oldest first, by the rules of `server/holdfast/core/branches.py`.
 *
 * @param {State} state
 * @returns {Message[]}
 */
export const shown = ({ session, placed, turns }) => {
  const known = byId(session?.branches ?? []);
  /** @type {Record<string, number>} each branch that is shown, up to the turn that was replaced */
  const upto = {};
  let own = session?.branch ?? "";
  for (let end = Infinity; ; own = known[own].parent) {
    upto[own] = end;
    if (!known[own]) break;
    end = turns[known[own].before]?.first ?? 0;
  }
  return placed
    .filter(({ message: { metadata }, turn, first }) => {
      const at = turns[turn ?? ""] ?? { branch: metadata?.branch, first };
      return at.first < upto[at.branch ?? ""];
    })
    .map(({ message }) => message);
};

// ---------------------------------------------------------------- folding

/** An event of a later version is passed over. @type {(state: State, entry: Positioned) => State} */
export const apply = (state, { seq, at, event }) => FOLDS[event.type]?.(state, event, seq, at) ?? state;

/** Puts a message in its place, instead of what was there of it. @type {(placed: Placed[], own: Placed) => Placed[]} */
const place = (placed, own) => {
  const others = placed.filter(({ message }) => message.id !== own.message.id);
  others.splice(others.findLastIndex(({ first }) => first < own.first) + 1, 0, own);
  return others;
};

/** @type {(state: State, id: string) => Placed | undefined} */
const find = (state, id) => state.placed.find(({ message }) => message.id === id);

/** @typedef {(state: State, event: any, seq: number, at: number) => State | undefined} Fold */

/** @type {Fold} */
const session = (state, { session }) => ({ ...state, session });

/** @type {Fold} */
const message = (state, { message, turn, first }, seq, at) => {
  first ??= find(state, message.id)?.first ?? seq;
  return { ...state, placed: place(state.placed, { message, first, at, turn }) };
};

/** @type {Fold} */
const chunk = (state, { message: id, turn, chunk }, seq, at) => {
  const old = find(state, id) ?? { message: { id, role: "assistant", parts: [] }, first: seq, turn };
  return { ...state, placed: place(state.placed, { ...old, message: foldChunk(old.message, chunk), at }) };
};

/** What an event makes of its turn; null is "not there". @type {(change: (event: any, at: number, old: Turn) => object) => Fold} */
const turn = (change) => (state, event, first, at) => {
  const { turn: id, agent } = event;
  const old = state.turns[id] ?? (agent && { id, agent, first });
  if (!old) return state;
  const turn = /** @type {any} */ ({ ...old, ...change(event, at, old) });
  for (const key in turn) if (turn[key] == null) delete turn[key];
  return { ...state, turns: { ...state.turns, [id]: turn } };
};

// One that failed is queued again when it is retried.
const queued = turn(({ branch }, _at, old) => ({
  status: "queued",
  branch: branch ?? old.branch,
  end: null,
  result: null,
  error: null,
  by: null,
  finishedAt: null,
}));

const finished = turn(({ status: end, result, error, by }, finishedAt) => ({
  status: "finished",
  open: null,
  end,
  result,
  error,
  by,
  finishedAt,
}));

/** @type {(open: string[]) => object} */
const waiting = (open) => ({ open: open[0] && open });

const settled = turn(({ interrupt }, _at, { open = [] }) => waiting(open.filter((each) => each !== interrupt)));

/** One without an id is not known, and passed over. @type {(state: State, interrupt: any) => State} */
const put = (state, interrupt) =>
  interrupt.id ? { ...state, interrupts: { ...state.interrupts, [interrupt.id]: interrupt } } : state;

/** @type {Record<string, Fold>} */
const FOLDS = {
  // @ts-ignore a type such as "constructor" must not be found
  __proto__: null,
  "session.created": session,
  "session.updated": session,
  message,
  "message.rewound": message,
  chunk,
  "turn.queued": (state, event, seq, at) => ({
    .../** @type {State} */ (queued(state, event, seq, at)),
    placed: state.placed.map((each) => (each.message.id === event.cause ? { ...each, turn: event.turn } : each)),
  }),
  "turn.started": turn(({ message }, startedAt) => ({ status: "running", message, startedAt })),
  "turn.waiting": turn(({ open }) => ({ status: "waiting", ...waiting(open), error: null })),
  "turn.resumed": turn(() => ({ status: "running", open: null, error: null })),
  "turn.blocked": turn(({ code, message }) => ({ status: "blocked", error: { code, message } })),
  "turn.progress": turn(({ progress }) => ({ progress })),
  "session.state": (state, { state: shared, version }) => ({ ...state, state: shared, stateVersion: version }),
  "turn.finished": (state, event, seq, at) => ({
    .../** @type {State} */ (finished(state, event, seq, at)),
    placed: state.placed.map((each) =>
      each.turn === event.turn && each.message.role === "assistant"
        ? { ...each, message: interrupted(each.message) }
        : each,
    ),
  }),
  "interrupt.opened": (state, { interrupt }) =>
    state.interrupts[interrupt.id]?.decision ? state : put(state, interrupt),
  "interrupt.updated": (state, { interrupt, changes }) =>
    put(state, { ...state.interrupts[interrupt], ...changes }),
  "interrupt.closed": (state, { interrupt, decision }, seq, at) => {
    const known = state.interrupts[interrupt];
    return settled(put(state, { decision, ...known }), { turn: known?.turn, interrupt }, seq, at);
  },
};

