/** The person's sessions, the last written first. */

import { listSessions } from "./api.js";
import { h, keep, set, text } from "./dom.js";
import { ago } from "./time.js";
import { title } from "./values.js";
import { visible } from "./visible.js";

/** @param {Element} node @param {HTMLElement} empty @param {(id: string) => void} open @param {() => Set<string>} waiting sessions that wait for this person */
export const sessionList = (node, empty, open, waiting) => {
  let current = null;
  let sessions = [];

  const show = () => {
    empty.hidden = sessions.length > 0;
    const waits = waiting();
    keep(node, sessions.map((session) => ({ key: session.id, session, isCurrent: session.id === current, waits: waits.has(session.id) })), entry);
  };

  const entry = (first) => {
    const name = h("span", { class: "name" });
    const when = h("span", { class: "when" });
    const button = h("button", { type: "button", onclick: () => open(first.session.id) }, name, when);
    const update = ({ session, isCurrent, waits }) => {
      text(name, session.title ? visible(session.title) : title(session.agent));
      text(when, waits ? "waits for an answer" : ago(session.updatedAt));
      set(button, { "data-waits": waits ? "" : null });
      set(button, { "aria-current": isCurrent ? "page" : null });
    };
    update(first);
    return { node: h("li", null, button), update };
  };

  return {
    all: () => sessions,
    show,
    async refresh() {
      sessions = await listSessions().catch(() => sessions);
      show();
      return sessions;
    },
    select(id) {
      current = id;
      show();
    },
  };
};
