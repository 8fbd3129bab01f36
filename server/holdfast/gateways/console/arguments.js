/** What exactly is asked: the arguments that stand, which a voter may have changed, and a way to change them. */

import { button, fieldsOf, lines } from "./fields.js";
import { h } from "./dom.js";
import { capital, nameOf } from "./people.js";
import { values } from "./values.js";

const ARE_SHOWN = /^(approval|gate|client_tool|in_doubt)$/; // a question or a form is its own picture

/** The arguments that an answer is about now. */
export const standing = ({ edited, input, inputHash }) => edited ?? { input, inputHash };

/**
 * @param {any} first the interrupt
 * @param {{subject: () => string | undefined}} context
 */
export const argumentsOf = (first, context) => {
  let shown;
  let editor;
  const node = h("div", { class: "asked" });

  const show = (interrupt) => {
    const { input, by } = standing(interrupt);
    shown = standing(interrupt).inputHash;
    editor = undefined;
    node.replaceChildren();
    if (!ARE_SHOWN.test(interrupt.kind) || input === undefined) return;
    if (by) node.append(h("p", { class: "note" }, `Changed by ${nameOf(by, context.subject())}: this is what is voted on now.`));
    node.append(values(input));
    if (by) node.append(h("details", null, h("summary", null, "What the agent asked for"), values(interrupt.input)));
  };

  /** Puts fields in place of the table. */
  const edit = (interrupt, done) => {
    const { input } = standing(interrupt);
    const isObject = input && typeof input === "object" && !Array.isArray(input);
    const area = isObject ? fieldsOf(interrupt.responseSchema, input) : whole(input);
    editor = area;
    const undo = button("quiet", "Undo my changes", () => {
      show(interrupt);
      done();
    });
    node.replaceChildren(h("div", { class: "editor" }, h("p", { class: "label" }, "Change what is approved"), area.node, undo));
    node.querySelector("input, select, textarea")?.focus();
  };

  show(first);
  return {
    node,
    edit,
    isEdited: () => Boolean(editor),
    /** What was put in place of what stands; undefined, if nothing was changed. Throws at what is no JSON. */
    edited: (interrupt) => {
      const input = editor?.read();
      return JSON.stringify(input) === JSON.stringify(standing(interrupt).input) ? undefined : input;
    },
    update: (next) => {
      if (standing(next).inputHash !== shown) show(next);
    },
  };
};

const whole = (input) => {
  const area = lines(JSON.stringify(input, null, 2), 6);
  area.setAttribute("aria-label", "Arguments, as JSON");
  area.setAttribute("class", "json");
  return { node: area, read: () => JSON.parse(area.value) };
};

/** In a closed card: what was asked and, if it was changed, what counted. */
export const record = ({ kind, input, edited, decision }) => {
  if (!ARE_SHOWN.test(kind) || input === undefined) return "";
  const counted = decision.payload?.input ?? edited?.input;
  return h(
    "details",
    null,
    h("summary", null, counted === undefined ? "What was asked" : "What was asked, and what was decided on"),
    values(input),
    counted === undefined ? "" : h("p", { class: "label" }, capital("decided on")),
    counted === undefined ? "" : values(counted),
  );
};
