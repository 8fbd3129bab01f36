/** How the turn stands: works, waits, is blocked; and what is queued behind it. */

import { h, set, text } from "./dom.js";
import { wordsOf } from "./progress.js";
import { title } from "./values.js";
import { visible } from "./visible.js";

/** @param {Element} node @param {{stop: () => void, jump: () => void, goOn: (turn: string) => void}} acts */
export const turnState = (node, { stop, jump, goOn }) => {
  let shown;
  const words = h("span", null);
  const halt = h("button", { type: "button", class: "secondary small", onclick: stop }, "Stop");
  const look = h("button", { type: "button", class: "quiet", onclick: jump }, "Show");
  const on = h("button", { type: "button", class: "primary small", onclick: () => goOn(shown) }, "Continue");
  node.append(h("span", { class: "dot", "aria-hidden": "true" }), words, h("span", { class: "grow" }), look, on, halt);
  return ({ turn, turns, interrupts, session }) => {
    const state = stateOf(turn, interrupts, title(session?.agent ?? "The agent"));
    const queued = Object.values(turns).filter(({ status }) => status === "queued").length;
    node.hidden = !state;
    if (!state) return;
    shown = turn.id;
    set(node, { "data-state": state.kind });
    text(words, visible(queued ? `${state.words} · ${queued} queued` : state.words));
    look.hidden = state.kind !== "waiting" || !interrupts.some(({ decision }) => !decision);
    on.hidden = !isReady(turn);
    halt.hidden = turn.status === "finished";
  };
};

const stateOf = (turn, interrupts, agent) => {
  if (!turn) return null;
  const { status, end, error, progress } = turn;
  const open = interrupts.filter((each) => each.turn === turn.id && !each.decision).length;
  if (status === "queued") return { kind: "running", words: "Queued" };
  if (status === "running") return { kind: "running", words: wordsOf(progress) || `${agent} is working` };
  if (isReady(turn)) return { kind: "waiting", words: "Ready to continue, when somebody says so" };
  if (status === "waiting") return { kind: "waiting", words: waits(open) };
  if (status === "blocked") return { kind: "bad", words: `Blocked until an operator acts: ${error?.message ?? error?.code ?? ""}` };
  if (end === "failed") return { kind: "bad", words: `Failed: ${error?.message ?? error?.code ?? "unknown"}` };
  return end === "cancelled" ? { kind: "quiet", words: "Stopped" } : null;
};

const waits = (open) => {
  if (!open) return "Waits, and goes on by itself";
  return open === 1 ? "Waits for an answer" : `Waits for ${open} answers`;
};

/** All is answered, and it goes on when somebody says so. */
const isReady = ({ status, open = [] }) => status === "waiting" && open.length === 1 && open[0] === "continue";
