/** What is at stake, in the words of the tool's author: how risky it is, what it is about, what it changes. */

import { h } from "./dom.js";
import { title } from "./values.js";
import { visible } from "./visible.js";

const LEVELS = { low: "low", medium: "medium", moderate: "medium", high: "high", critical: "high", severe: "high" };

/** "High risk", beside what is asked. */
export const risk = ({ metadata }) => {
  const said = metadata?.risk;
  if (typeof said !== "string" || !said) return "";
  return h("span", { class: "risk", "data-level": LEVELS[said.toLowerCase()] ?? "medium" }, `${title(said)} risk`);
};

export const stakes = ({ metadata }) => {
  const { summary, impact, policy, context } = metadata ?? {};
  const said = [
    [null, summary],
    [null, context],
    ["What it changes", impact],
    ["Asked by a rule", policy?.reason ?? policy?.rule],
  ].filter(([, words]) => typeof words === "string" && words);
  if (!said.length) return "";
  return h("div", { class: "stakes" }, said.map(([label, words]) => h("p", null, label ? h("span", { class: "label" }, `${label}: `) : "", h("bdi", null, visible(words)))));
};
