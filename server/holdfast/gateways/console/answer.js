/** The part of a card with which one answers: two buttons, a choice, a form, by the interrupt's kind. */

import { h, set, text } from "./dom.js";
import { button, fieldsOf, labelled } from "./fields.js";
import { standing } from "./arguments.js";
import { isReview, reviewForm } from "./review.js";
import { ownVote } from "./tally.js";
import { visible } from "./visible.js";

/**
 * @param {any} interrupt
 * @param {(payload: any, status?: "resolved" | "cancelled") => void} answer
 * @param {{subject: () => string | undefined, args: any, tell: (words: string) => void}} context
 * @returns {{node: Element, more: Element[], update: (interrupt: any) => void}} `more`: less common ways, for the card's foot
 */
export const answerForm = (interrupt, answer, context) => {
  const { node: form, more = [], update } = (isReview(interrupt) ? reviewForm : (FORMS[interrupt.kind] ?? unknown))(interrupt, answer, context);
  const mayNot = h("p", { class: "muted" });
  const node = h("div", { class: "answer" }, form, mayNot);
  return {
    node,
    more,
    update: (next) => {
      const { canAnswer, sending, decision } = next;
      const hasVoted = Boolean(ownVote(next, context.subject()));
      const isOpen = canAnswer && !hasVoted && !decision;
      text(mayNot, hasVoted ? "Your vote is in. Now it is up to the others." : whyNot(next, context.subject()));
      mayNot.hidden = isOpen || Boolean(decision);
      for (const each of [form, ...more]) each.hidden = !isOpen;
      for (const control of form.querySelectorAll("button, input, textarea, select")) set(control, { disabled: sending });
      if (isOpen) update?.(next);
    },
  };
};

const whyNot = ({ approvers, requester }, subject) =>
  approvers?.notRequester && requester === subject
    ? "You asked for this, so somebody else must answer it."
    : "You may see this, but not answer it.";

// ---------------------------------------------------------------- approval and gate

const approval = (interrupt, answer, { args, tell }) => {
  let shown = interrupt;
  const mustSay = Boolean(interrupt.approvers?.requireReason);
  const reason = h("input", { type: "text", maxlength: "1000", autocomplete: "off", required: mustSay });
  const field = labelled(mustSay ? "Reason (needed)" : "Reason", reason);
  field.hidden = !mustSay;
  const say = button("quiet", "Add a reason", () => {
    field.hidden = false;
    say.remove();
    reason.focus();
  });
  const change = button("quiet", "Change the arguments", () => {
    args.edit(shown, show);
    show();
  });
  const yes = button("primary", "Approve", () => decide(true));
  const no = button("secondary", "Deny", () => decide(false));

  const decide = (approved) => {
    const why = reason.value.trim() || undefined;
    if (mustSay && !why) {
      tell("Please say why: this one needs a reason.");
      return reason.focus();
    }
    try {
      const input = approved ? args.edited(shown) : undefined;
      answer(approved ? { approved, reason: why, input, inputHash: standing(shown).inputHash } : { approved, reason: why });
    } catch {
      tell("That is not JSON: please look at the fields.");
    }
  };

  const show = () => {
    text(yes, args.isEdited() ? "Approve with my changes" : "Approve");
    change.hidden = args.isEdited();
  };

  return {
    node: h("div", null, field, h("div", { class: "buttons" }, yes, no)),
    more: [...(mustSay ? [] : [say]), ...(interrupt.editable ? [change] : [])],
    update: (next) => {
      shown = next;
      show();
    },
  };
};

// ---------------------------------------------------------------- question

const question = (interrupt, answer) => {
  const { options = [], multiple = false } = interrupt.input ?? {};
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
  const form = h(
    "form",
    { onsubmit: submit },
    choices.length ? h("fieldset", null, h("legend", { class: "hidden" }, visible(interrupt.message ?? "Choices")), choices) : "",
    labelled(choices.length ? "Or in your words" : "Your answer", words),
    h("div", { class: "buttons" }, button("primary", "Answer")),
  );
  return { node: form };
};

// ---------------------------------------------------------------- form

/** A page of somebody else's: where it leads is said in full, and nothing of what is entered there comes by here. */
const elsewhere = ({ url }, answer) => {
  const { protocol, host, hostname } = new URL(url);
  const isSafe = protocol === "https:" || (protocol === "http:" && /^(localhost|127\.0\.0\.1|\[::1\])$/.test(hostname));
  const link = isSafe
    ? h("a", { class: "elsewhere", href: url, target: "_blank", rel: "noopener noreferrer" }, `Go to ${host}`)
    : h("p", { class: "muted" }, `This page does not lead to ${protocol}//${host}.`);
  const buttons = [
    button("primary", "I have done it", () => answer({ action: "accept" })),
    button("secondary", "Decline", () => answer({ action: "decline" })),
  ];
  const note = h("p", { class: "muted" }, "It is filled in there, and only there.");
  return { node: h("div", null, h("p", null, link), note, h("div", { class: "buttons" }, buttons)) };
};

const form = (interrupt, answer, { tell }) => {
  if (interrupt.url) return elsewhere(interrupt, answer);
  const { node, read } = fieldsOf(interrupt.responseSchema);
  const submit = (event) => {
    event.preventDefault();
    try {
      answer({ action: "accept", content: read() });
    } catch {
      tell("That is not JSON: please look at the fields.");
    }
  };
  const buttons = [button("primary", "Send"), button("secondary", "Decline", () => answer({ action: "decline" }))];
  return { node: h("form", { onsubmit: submit }, node, h("div", { class: "buttons" }, buttons)) };
};

// ---------------------------------------------------------------- client tool, in doubt

/** A device that has the tool answers by itself; a person can only say that none will. */
const clientTool = (_, answer) => ({
  node: h("p", { class: "muted" }, "A device that can do this will answer by itself."),
  more: [button("quiet", "It cannot be done", () => answer({ error: "A person said that it cannot be done." }))],
});

const inDoubt = (_, answer) => ({
  node: h(
    "div",
    null,
    h("p", null, "The worker was lost while this ran. Please find out whether it took effect: it is not run again by itself."),
    h(
      "div",
      { class: "buttons" },
      button("primary", "It ran", () => answer({ ran: true })),
      button("secondary", "It did not run", () => answer({ ran: false })),
    ),
  ),
});

const unknown = () => ({ node: h("p", { class: "muted" }, "This page does not know how to answer that.") });

const FORMS = { approval, gate: approval, question, form, client_tool: clientTool, in_doubt: inDoubt };
