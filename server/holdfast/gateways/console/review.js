/** A call that nobody was asked about, shown afterwards: was it right? Nothing waits for the answer. */

import { h } from "./dom.js";
import { button, labelled } from "./fields.js";
import { short, values } from "./values.js";
import { visible } from "./visible.js";

export const isReview = ({ reason }) => reason === "holdfast:review";

/** Those of them that somebody waits for. @param {any[]} interrupts */
export const urgent = (interrupts) => interrupts.filter((each) => !isReview(each));

/** What was done, by which rule, and what came of it. */
const done = ({ tool: _, input, inputOmitted, output, outputOmitted, error }) => [
  inputOmitted ? h("p", { class: "muted" }, `The arguments are not shown. ${visible(inputOmitted)}`) : values(input),
  error === undefined ? "" : h("p", { class: "label" }, "It failed"),
  error === undefined ? "" : h("p", { class: "outcome" }, visible(error)),
  output === undefined ? "" : h("p", { class: "label" }, "What came of it"),
  output === undefined ? "" : typeof output === "object" && output ? values(output) : h("p", { class: "outcome" }, short(output)),
  outputOmitted ? h("p", { class: "muted" }, `What came of it is not shown. ${visible(outputOmitted)}`) : "",
];

/** What is shown of one, open or closed. */
export const seen = ({ input }) => h("div", { class: "asked" }, done(input?.context ?? {}));

/**
 * The part of its card with which one answers.
 *
 * @param {any} _ the interrupt
 * @param {(payload: any) => void} answer
 */
export const reviewForm = (_, answer) => {
  const words = h("input", { type: "text", maxlength: "1000", autocomplete: "off" });
  const say = (verdict) => button("secondary", { right: "Right", wrong: "Wrong" }[verdict], () => answer({ selected: [verdict], text: words.value.trim() || undefined }));
  return { node: h("div", null, labelled("Comment", words), h("div", { class: "buttons" }, say("right"), say("wrong"))) };
};
