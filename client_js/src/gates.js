/**
 * Gates: ask people to let something pass, from a page or a script without an agent, and be told what they decide.
 * A gate outlives whoever asked: asked again under the same id, it is the same one.
 */

import { HoldfastError } from "./errors.js";

/** @typedef {import("./index.js").Client} Client */
/** @typedef {import("./state.js").Decision} Decision */
/** @typedef {import("./state.js").Interrupt} Interrupt */
/** @typedef {{id: string, session: string, interrupt: Interrupt, status: string, canAnswer: boolean, decision?: Decision}} Gate */

/**
 * @typedef {object} Asked
 * @property {string} name what is to be let pass
 * @property {any} [payload] exactly what; another one under the same id is refused as `gate_reused`
 * @property {string} [session] where it stands, if not in a session of its own
 * @property {string} [message]
 * @property {{roles?: string[], subjects?: string[], quorum?: number}} [approvers]
 * @property {string} [expires] "2 hours", or an instant such as `date.toISOString()`
 * @property {"deny" | "approve" | "cancel" | "escalate"} [on_expiry]
 * @property {any[]} [escalate]
 * @property {any} [metadata]
 * @property {"gate" | "question"} [kind] what is wanted: a yes, or an answer in words
 */

/**
 * Ask for it; asked again, it is the same gate, open or decided.
 *
 * @param {Client} client
 * @param {string} id
 * @param {Asked} asked
 * @returns {Promise<Gate>}
 */
export const request = async (client, id, asked) => (await client.command({ type: "gate", ...asked, id })).gate;

/**
 * The decision, as soon as there is one. Pushed by the server, over lost connections too. When the signal aborts, it
 * rejects with the signal's reason, and the gate stays open; if the log was trimmed past the decision, with `gone`.
 *
 * @param {Client} client
 * @param {Gate} gate as `request` gave it
 * @param {{signal?: AbortSignal}} [options] `AbortSignal.timeout(ms)` is a time limit
 * @returns {Promise<Decision>}
 */
export const wait = (client, gate, { signal } = {}) =>
  new Promise((resolve, reject) => {
    if (gate.decision) return resolve(gate.decision);
    if (signal?.aborted) return reject(signal.reason);
    const session = client.session(gate.session);
    /** @param {() => void} settle */
    const end = (settle) => {
      off();
      signal?.removeEventListener("abort", aborted);
      settle();
    };
    const aborted = () => end(() => reject(signal?.reason));
    /** @type {Promise<void> | undefined} */
    let searching;
    /** @param {any} error */
    const failed = (error) => end(() => reject(error));
    const look = () => {
      const { interrupts, error, connection, hasOlder } = session.getSnapshot();
      const known = interrupts.find(({ id }) => id === gate.interrupt.id);
      const decision = known?.decision;
      if (decision) end(() => resolve(decision));
      else if (error) failed(error);
      else if (known || connection !== "live") return;
      // What is open is always shown. So it was decided before we came, and much has happened there since.
      else if (hasOlder) {
        searching ??= session.loadOlder().then(() => {
          searching = undefined;
          look();
        }, failed);
      }
      else failed(new HoldfastError("gone", "It was decided, and the session's log does not reach back to that.", false));
    };
    const off = session.subscribe(look);
    signal?.addEventListener("abort", aborted);
    look();
  });

/**
 * Say yes or no, as far as one may: it won, or it lost to the decision in the answer.
 *
 * @param {Client} client
 * @param {Gate} gate
 * @param {boolean} approved
 * @param {string} [reason]
 */
export const decide = async (client, { session, interrupt }, approved, reason) => {
  const frame = { type: "answer", session, interrupt: interrupt.id, status: "resolved", payload: { approved, reason } };
  const { outcome, decision } = await client.command(frame);
  return { outcome, decision };
};
