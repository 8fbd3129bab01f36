/** How the turn stands: works, waits, is blocked; and what is queued behind it. */

import { h, set, text } from "./dom.js";
import { title } from "./values.js";
import { visible } from "./visible.js";

export const turnState = (node, { stop, jump }) => {
  const words = h("span", null);
  const halt = h("button", { type: "button", class: "secondary small", onclick: stop }, "Stop");
  const look = h("button", { type: "button", class: "quiet", onclick: jump }, "Show");
  node.append(h("span", { class: "dot", "aria-hidden": "true" }), words, h("span", { class: "grow" }), look, halt);
  return ({ turn, turns, interrupts, session }) => {
    const state = stateOf(turn, interrupts, title(session?.agent ?? "The agent"));
    const queued = Object.values(turns).filter(({ status }) => status === "queued").length;
    node.hidden = !state;
    if (!state) return;
    set(node, { "data-state": state.kind });
    text(words, visible(queued ? `${state.words} · ${queued} queued` : state.words));
    look.hidden = state.kind !== "waiting" || !interrupts.some(({ decision }) => !decision);
    halt.hidden = turn.status === "finished";
  };
};

const stateOf = (turn, interrupts, agent) => {
  if (!turn) return null;
  const { status, end, error, progress } = turn;
  const open = interrupts.filter((each) => each.turn === turn.id && !each.decision).length;
  if (status === "queued") return { kind: "running", words: "Queued" };
  if (status === "running") return { kind: "running", words: progressOf(progress) ?? `${agent} is working` };
  if (status === "waiting") return { kind: "waiting", words: waits(open) };
  if (status === "blocked") return { kind: "bad", words: `Blocked until an operator acts: ${error?.message ?? error?.code ?? ""}` };
  if (end === "failed") return { kind: "bad", words: `Failed: ${error?.message ?? error?.code ?? "unknown"}` };
  return end === "cancelled" ? { kind: "quiet", words: "Stopped" } : null;
};

const waits = (open) => {
  if (!open) return "Waits, and goes on by itself";
  return open === 1 ? "Waits for an answer" : `Waits for ${open} answers`;
};

const progressOf = (progress) => (typeof progress === "string" ? progress : progress?.message);
