/** The conversation: its messages, kept as they change, and kept in view while somebody reads the end. */

import { h, keep } from "./dom.js";
import { message } from "./message.js";

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

/** Messages with what their turns asked; a turn that asked before it wrote has a place of its own. */
const items = ({ messages, unsent, interrupts, session }, { session: own, principal }) => {
  const asked = Map.groupBy(interrupts, ({ turn }) => turn);
  const placed = messages.map((each) => ({ each, turn: own.place(each.id)?.turn }));
  const writes = new Set(placed.filter(({ each }) => each.role !== "user").map(({ turn }) => turn));
  const agent = session?.agent ?? "Agent";
  const shown = placed.flatMap(({ each, turn }) => {
    const isPerson = each.role === "user";
    const own = item(each, isPerson ? [] : (asked.get(turn) ?? []), isPerson ? personOf(each, principal) : agent);
    const only = isPerson && turn && !writes.has(turn) && asked.get(turn);
    return only ? [own, item({ id: `turn-${turn}`, role: "assistant", parts: [] }, only, agent)] : [own];
  });
  return [...shown, ...unsent.map((each) => ({ ...item(each, [], "You"), pending: true }))];
};

const item = (message, interrupts, author) => {
  const ref = message.role === "user" && message.metadata?.ref;
  return { key: ref || message.id, message, interrupts, author, pending: false };
};

const personOf = ({ metadata }, principal) => {
  const { id, name } = metadata?.by ?? {};
  return !id || id === principal()?.subject ? "You" : (name ?? id);
};
