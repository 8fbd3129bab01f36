/** Says to a screen reader what is new: what is asked and decided at once, a message when it is whole. */

import { asking } from "./card.js";
import { sentence } from "./decision.js";
import { urgent } from "./review.js";

export const announcer = (node, subject) => {
  let before;

  const say = (words) => {
    const line = document.createElement("p");
    line.textContent = words;
    node.replaceChildren(line);
  };

  return {
    say,
    /** Starts over: what a session holds already is not news. */
    reset: () => {
      before = undefined;
    },
    look(snapshot) {
      if (snapshot.connection !== "live" && !before) return;
      if (before) for (const words of news(before, snapshot, subject())) say(words);
      before = snapshot;
    },
  };
};

const news = (before, now, subject) => {
  if (before.interrupts === now.interrupts && before.turn?.status === now.turn?.status) return [];
  const known = new Map(before.interrupts.map((each) => [each.id, each]));
  const asked = urgent(now.interrupts).filter(({ id, decision }) => !known.has(id) && !decision).map(asking);
  const decided = now.interrupts
    .filter(({ id, decision }) => decision && known.has(id) && !known.get(id).decision)
    .map((each) => sentence(each, subject).words);
  const ended = before.turn?.status === "running" && now.turn?.status === "finished";
  const last = ended && now.messages.findLast(({ role }) => role === "assistant");
  const words = last && last.parts.filter(({ type }) => type === "text").map((part) => part.text).join(" ");
  return [...decided, ...asked, ...(words ? [words] : [])].slice(-3);
};
