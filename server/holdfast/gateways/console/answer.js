/** The part of a card with which one answers: two buttons, a choice, a form, by the interrupt's kind. */

import { h, set } from "./dom.js";
import { title } from "./values.js";
import { visible } from "./visible.js";

/**
 * @param {any} interrupt
 * @param {(payload: any, status?: "resolved" | "cancelled") => void} answer
 * @returns {{node: Element, update: (interrupt: any) => void}}
 */
export const answerForm = (interrupt, answer) => {
  const form = (FORMS[interrupt.kind] ?? unknown)(interrupt, answer);
  const mayNot = h("p", { class: "muted", hidden: true }, "You may see this, but not answer it.");
  const node = h("div", { class: "answer" }, form, mayNot);
  return {
    node,
    update: ({ canAnswer, sending, decision }) => {
      mayNot.hidden = canAnswer || Boolean(decision);
      form.hidden = !canAnswer;
      for (const control of form.querySelectorAll("button, input, textarea, select")) set(control, { disabled: sending });
    },
  };
};

const button = (kind, label, click) =>
  h("button", click ? { type: "button", class: kind, onclick: click } : { type: "submit", class: kind }, label);

let count = 0;
const labelled = (label, control, className = "field") => {
  const id = `field-${++count}`;
  set(control, { id });
  return h("div", { class: className }, h("label", { for: id }, label), control);
};

// ---------------------------------------------------------------- approval and gate

const approval = (interrupt, answer) => {
  const reason = h("input", { type: "text", maxlength: "1000", autocomplete: "off" });
  const field = labelled("Reason", reason);
  field.hidden = true;
  const why = () => reason.value.trim() || undefined;
  const more = button("quiet", "Add a reason", () => {
    field.hidden = false;
    more.hidden = true;
    reason.focus();
  });
  return h(
    "div",
    null,
    field,
    h(
      "div",
      { class: "buttons" },
      button("primary", "Approve", () => answer({ approved: true, reason: why() })),
      button("secondary", "Deny", () => answer({ approved: false, reason: why() })),
      more,
    ),
  );
};

// ---------------------------------------------------------------- question

const question = (interrupt, answer) => {
  const { options = [], multiple = false } = interrupt.metadata ?? {};
  const words = h("input", { type: "text", autocomplete: "off" });
  const choices = options.map((option) => {
    const value = option.id ?? option.value ?? option.label ?? option;
    const label = option.label ?? value;
    return h("label", { class: "choice" }, h("input", { type: multiple ? "checkbox" : "radio", name: interrupt.id, value }), h("span", null, visible(label)));
  });
  const submit = (event) => {
    event.preventDefault();
    const selected = [...event.target.querySelectorAll("input:checked")].map((input) => input.value);
    const text = words.value.trim() || undefined;
    if (selected.length || text) answer({ selected, text });
  };
  return h(
    "form",
    { onsubmit: submit },
    choices.length ? h("fieldset", null, h("legend", { class: "hidden" }, visible(interrupt.message ?? "Choices")), choices) : "",
    labelled(choices.length ? "Or in your words" : "Your answer", words),
    h("div", { class: "buttons" }, button("primary", "Answer")),
  );
};

// ---------------------------------------------------------------- form

const form = (interrupt, answer) => {
  const { properties = {}, required = [] } = interrupt.responseSchema ?? {};
  const fields = Object.entries(properties).map(([name, schema]) => [name, schema, control(schema, required.includes(name))]);
  const submit = (event) => {
    event.preventDefault();
    const filled = fields.map(([name, schema, input]) => [name, valueOf(schema, input)]);
    answer({ action: "accept", content: Object.fromEntries(filled.filter(([, value]) => value !== undefined)) });
  };
  return h(
    "form",
    { onsubmit: submit },
    fields.map(([name, schema, input]) => labelled(schema.title ? visible(schema.title) : title(name), input, schema.type === "boolean" ? "field check" : "field")),
    h("div", { class: "buttons" }, button("primary", "Send"), button("secondary", "Decline", () => answer({ action: "decline" }))),
  );
};

const control = ({ type, enum: options, default: value }, required) => {
  if (options) return h("select", { required }, options.map((option) => h("option", { value: option, selected: option === value }, visible(option))));
  if (type === "boolean") return h("input", { type: "checkbox", checked: value === true });
  const isNumber = type === "number" || type === "integer";
  return h("input", { type: isNumber ? "number" : "text", step: type === "number" ? "any" : null, required, value: value ?? null });
};

const valueOf = ({ type }, input) => {
  if (type === "boolean") return input.checked;
  if (input.value === "") return undefined;
  return type === "number" || type === "integer" ? Number(input.value) : input.value;
};

// ---------------------------------------------------------------- client tool, in doubt

/** A device that has the tool answers by itself; a person can only say that none will. */
const clientTool = (_, answer) =>
  h(
    "div",
    null,
    h("p", { class: "muted" }, "A device that can do this will answer by itself."),
    h("div", { class: "buttons" }, button("secondary", "It cannot be done", () => answer({ error: "A person said that it cannot be done." }))),
  );

const inDoubt = (_, answer) =>
  h(
    "div",
    null,
    h("p", null, "The worker was lost while this ran. Please find out whether it took effect: it is not run again by itself."),
    h(
      "div",
      { class: "buttons" },
      button("primary", "It ran", () => answer({ ran: true })),
      button("secondary", "It did not run", () => answer({ ran: false })),
    ),
  );

const unknown = () => h("p", { class: "muted" }, "This page does not know how to answer that.");

const FORMS = { approval, gate: approval, question, form, client_tool: clientTool, in_doubt: inDoubt };
