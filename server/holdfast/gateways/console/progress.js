/** How far something is, in its own words: a text, or `{message, percent}`, or done of total. */

import { h, set, text } from "./dom.js";
import { visible } from "./visible.js";

/** The words of it; none, if it says nothing that can be read. */
export const wordsOf = (progress) => {
  const words = typeof progress === "string" ? progress : progress?.message;
  return typeof words === "string" ? visible(words) : "";
};

/** Between 0 and 1; undefined, if it does not say. */
const shareOf = (progress) => {
  const { percent, done, total } = Object(progress);
  const share = typeof progress === "number" ? progress : percent === undefined ? done / total : percent / 100;
  return share >= 0 && share <= 1 ? share : undefined;
};

/** Of a client tool, on its card. */
export const progress = (first) => {
  const bar = h("progress", { max: "1", "aria-label": "Progress" });
  const words = h("span", null);
  const node = h("p", { class: "progress", hidden: true }, bar, words);
  const update = ({ progress: now }) => {
    const share = shareOf(now);
    node.hidden = now == null;
    bar.hidden = share === undefined;
    set(bar, { value: share ?? null });
    text(words, wordsOf(now));
  };
  update(first);
  return { node, update };
};
