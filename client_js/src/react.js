"use client";

/**
 * Hooks for React 18 and later. What is shown is the same object until something changed, changes at most once a
 * frame of the screen, and changes for all components at once.
 */

import { createContext, createElement, useContext, useState, useSyncExternalStore } from "react";

import { HoldfastError } from "./errors.js";

/** @typedef {import("./index.js").Client} Client */
/** @typedef {import("./index.js").Session} Session */
/** @typedef {import("./index.js").Snapshot} Snapshot */
/** @typedef {import("./index.js").Interrupt} Interrupt */
/** @typedef {import("./index.js").Answered} Answered */

/**
 * @typedef {object} Acts the answers to one interrupt, bound to what was rendered: to others' arguments it is a `conflict`
 * @property {(more?: Parameters<Session["approve"]>[1]) => Promise<Answered>} approve
 * @property {(more?: Parameters<Session["deny"]>[1]) => Promise<Answered>} deny
 * @property {(payload: any, status?: "resolved" | "cancelled") => Promise<Answered>} answer
 */

/** @typedef {Interrupt & Acts} Card an interrupt, and what can be done about it */
/** @typedef {Omit<import("./inbox.js").Inbox, "interrupts"> & {interrupts: (import("./state.js").Interrupt & Acts)[], refresh: () => Promise<void>}} InboxShown */
/** @typedef {Omit<Snapshot, "interrupts"> & {interrupts: Card[]} & Pick<Session, typeof DOINGS[number]>} SessionShown */

const DOINGS = /** @type {const} */ (["send", "approve", "deny", "answer", "update", "cancel", "command", "loadOlder"]);

/** No client yet, as on a server, is not the same as no provider. @type {import("react").Context<Client | null | undefined>} */
const Context = createContext(/** @type {any} */ (undefined));

/**
 * Gives a client to the components below. Make it once, outside of components; `null` while there is none, as on a
 * server that renders: then everything is shown as it is before the first connection.
 *
 * @param {{client: Client | null, children?: import("react").ReactNode}} props
 */
export const HoldfastProvider = ({ client, children }) => createElement(Context.Provider, { value: client }, children);

/** The client that was given to a provider above. @returns {Client | null} */
export const useClient = () => {
  const client = useContext(Context);
  if (client === undefined) throw new HoldfastError("bad_request", "put a <HoldfastProvider client={…}> above");
  return client;
};

/**
 * A session, followed while the component is there: its snapshot, and what can be done in it. With `select`, the
 * component renders again only when that part changed. Without an `id`, nothing is followed.
 *
 * @template [T=SessionShown]
 * @param {string | null | undefined} id
 * @param {(shown: SessionShown) => T} [select]
 * @returns {T}
 */
export const useSession = (id, select = whole) => {
  const client = useClient();
  return useStore(client && id ? storeOf(client, client.session(id), DOINGS) : NO_SESSION, NO_SESSION, select);
};

/**
 * The open interrupts of a session, or those of all that `filter` wants, with what can be done about each.
 *
 * @param {string | null | undefined} id
 * @param {(interrupt: Card) => boolean} [filter]
 */
export const useInterrupts = (id, filter = isOpen) => useSession(id, ({ interrupts }) => interrupts.filter(filter));

/** All that waits for this person, over all sessions. @returns {InboxShown} */
export const useInbox = () => {
  const client = useClient();
  return useStore(client ? storeOf(client, client.inbox, ["refresh"]) : NO_INBOX, NO_INBOX, whole);
};

/** @param {any} shown */
const whole = (shown) => shown;

/** @param {Card} card */
const isOpen = ({ decision }) => !decision;

// ------------------------------------------------------------------ what is shown

/**
 * @typedef {object} Store
 * @property {() => any} get
 * @property {(listener: () => void) => () => void} subscribe
 */

/** By the sessions and inboxes that they show. @type {WeakMap<object, Store>} */
const stores = new WeakMap();

/** @param {Client} client @param {any} source @param {readonly string[]} doings */
const storeOf = (client, source, doings) => {
  if (!stores.has(source)) stores.set(source, createStore(client, source, pick(source, doings)));
  return /** @type {Store} */ (stores.get(source));
};

/**
 * What a session or an inbox shows, for all components: it changes in the instant in which their listeners are
 * called. The session changes before that, and who renders in between would show what others do not show yet.
 *
 * @param {Client} client
 * @param {any} source
 * @param {object} acts
 * @returns {Store}
 */
const createStore = (client, source, acts) => {
  /** @type {Set<() => void>} */
  const listeners = new Set();
  /** @type {(() => void) | undefined} */
  let off;
  /** @type {any} */
  let seen;
  /** @type {any} */
  let shown;

  const look = () => {
    const now = source.getSnapshot();
    if (now === seen) return;
    seen = now;
    const cards = now.interrupts.map((/** @type {any} */ each) => cardOf(client, each));
    shown = { ...now, ...acts, interrupts: keep(shown?.interrupts, cards) };
  };

  const changed = () => {
    look();
    for (const listener of listeners) listener();
  };

  return {
    get: () => {
      if (!off) look();
      return shown;
    },
    subscribe: (listener) => {
      listeners.add(listener);
      if (!off) {
        off = source.subscribe(changed);
        look();
      }
      return () => {
        listeners.delete(listener);
        if (!listeners.size) off = void off?.();
      };
    },
  };
};

/** The same card for the same interrupt. @type {WeakMap<object, object>} */
const known = new WeakMap();

/** @param {Client} client @param {any} interrupt */
const cardOf = (client, interrupt) => {
  if (!known.has(interrupt)) known.set(interrupt, { ...interrupt, ...actsOf(client, interrupt) });
  return known.get(interrupt);
};

/** @param {Client} client @param {any} interrupt @returns {Acts} */
const actsOf = (client, interrupt) => {
  const { id, session, edited } = interrupt; // by a voter: these are the arguments that stand
  const rendered = { inputHash: (edited ?? interrupt).inputHash };
  return {
    approve: (more) => client.session(session).approve(id, { ...rendered, ...more }),
    deny: (more) => client.session(session).deny(id, more),
    answer: (payload, status) => client.session(session).answer(id, payload, status),
  };
};

/**
 * A part of a store; of `empty` where a page is made by a server, and where a browser takes that page over.
 *
 * @param {Store} store
 * @param {Store} empty
 * @param {(shown: any) => any} select
 */
const useStore = (store, empty, select) => {
  const [last] = useState(/** @returns {{of?: any, by?: any, is?: any}} */ () => ({}));
  /** @param {any} of */
  const part = (of) => {
    if (last.of !== of || last.by !== select) Object.assign(last, { of, by: select, is: keep(last.is, select(of)) });
    return last.is;
  };
  return useSyncExternalStore(store.subscribe, () => part(store.get()), () => part(empty.get()));
};

/** The old list or object if the new one has the same in it. @param {any} old @param {any} now */
const keep = (old, now) => {
  const kind = old?.constructor;
  if (kind !== now?.constructor || (kind !== Array && kind !== Object)) return now;
  const keys = Object.keys(now);
  return keys.length === Object.keys(old).length && keys.every((key) => Object.is(old[key], now[key])) ? old : now;
};

// ------------------------------------------------------------------ without a client

/** @param {any} from @param {readonly string[]} names */
const pick = (from, names) => Object.fromEntries(names.map((name) => [name, from[name]]));

const nobody = async () => {
  throw new HoldfastError("unavailable", "there is no client, or no session", true);
};

/** @param {any} shown @param {readonly string[]} doings @returns {Store} */
const nothing = (shown, doings) => {
  for (const name of doings) shown[name] = nobody;
  return { get: () => shown, subscribe: () => () => {} };
};

const NO_INBOX = nothing({ interrupts: [], hasMore: false }, ["refresh"]);
const NO_SESSION = nothing(
  {
    connection: "connecting",
    messages: [],
    unsent: [],
    interrupts: [],
    turns: {},
    state: {},
    stateVersion: 0,
    devices: [],
    hasOlder: false,
  },
  DOINGS,
);
