/** The person's sessions, the last written first. */

import { listSessions } from "./api.js";
import { h, keep, set, text } from "./dom.js";
import { ago } from "./time.js";
import { title } from "./values.js";
import { visible } from "./visible.js";

export const sessionList = (node, empty, open) => {
  let current = null;
  let sessions = [];

  const show = () => {
    empty.hidden = sessions.length > 0;
    keep(node, sessions.map((session) => ({ key: session.id, session, isCurrent: session.id === current })), entry);
  };

  const entry = (first) => {
    const name = h("span", { class: "name" });
    const when = h("span", { class: "when" });
    const button = h("button", { type: "button", onclick: () => open(first.session.id) }, name, when);
    const update = ({ session, isCurrent }) => {
      text(name, session.title ? visible(session.title) : title(session.agent));
      text(when, session.waits ? "waits for an answer" : ago(session.updatedAt));
      set(button, { "data-waits": session.waits ? "" : null });
      set(button, { "aria-current": isCurrent ? "page" : null });
    };
    update(first);
    return { node: h("li", null, button), update };
  };

  return {
    all: () => sessions,
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
