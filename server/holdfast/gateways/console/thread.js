/** The conversation: its messages, kept as they change, and kept in view while somebody reads the end. */

import { h, keep } from "./dom.js";
import { message } from "./message.js";
import { title } from "./values.js";

const NEAR_END_PX = 120; // who is this near to the end reads along

/**
 * @param {Element} list where the messages go
 * @param {Element} scroller
 * @param {any} context what cards need
 */
export const thread = (list, scroller, context) => {
  const atEnd = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_END_PX;
  return {
    show(snapshot) {
      const follows = atEnd();
      const before = scroller.scrollHeight - scroller.scrollTop;
      const first = list.firstChild;
      keep(list, items(snapshot, context), (item) => message(item, context));
      if (follows) scroller.scrollTop = scroller.scrollHeight;
      else if (first && list.firstChild !== first) scroller.scrollTop = scroller.scrollHeight - before; // older ones came
    },
    toEnd() {
      scroller.scrollTop = scroller.scrollHeight;
    },
  };
};

/** Messages with what their turns asked; a turn that asked before it wrote is shown as a message without words. */
const items = ({ messages, unsent, interrupts, turns, session }, { principal, session: followed }) => {
  const written = new Map(Object.values(turns).map((turn) => [turn.message, turn]));
  const isIdle = Object.values(turns).every(({ status }) => status === "finished") && !session?.takeover;
  const repeated = (each) => ({
    info: session,
    turn: written.get(each.id) ?? (each.metadata?.steers ? undefined : turns[followed?.turnOf(each.id)]),
    isOwn: each.role === "user" && (each.metadata?.by?.id ?? principal()?.subject) === principal()?.subject,
    isIdle,
  });
  // What was decided on a branch that is not shown stands there, and not at the end of this one.
  const isHere = ({ decision, turn }) => !decision || (turns[turn]?.branch ?? "") === (session?.branch ?? "") || shows.has(turns[turn]?.message);
  const shows = new Set(messages.map(({ id }) => id));
  const asked = Map.groupBy(interrupts.filter(isHere), ({ turn }) => turns[turn]?.message ?? turn);
  const agent = title(session?.agent ?? "Agent");
  const shown = messages.map((each) => {
    const author = each.role === "user" || each.metadata?.by ? personOf(each, principal) : agent;
    const own = asked.get(each.id) ?? [];
    asked.delete(each.id);
    return { ...item(each, own, author), ...repeated(each) };
  });
  const wordless = [...asked].map(([id, own]) => item({ id, role: "assistant", parts: [] }, own, agent));
  return [...shown, ...wordless, ...unsent.map((each) => ({ ...item(each, [], "You"), pending: true }))];
};

const item = (message, interrupts, author) => {
  const ref = message.role === "user" && message.metadata?.ref;
  return { key: ref || message.id, message, interrupts, author, pending: false };
};

const personOf = ({ role, metadata }, principal) => {
  const { id, name } = metadata?.by ?? {};
  const who = !id || id === principal()?.subject ? "You" : (name ?? id);
  if (metadata?.notice) return `${who} · a notice`;
  if (role === "assistant") return `${who} · in the agent’s place`;
  return metadata?.steers ? `${who} · for what was going on` : who;
};
