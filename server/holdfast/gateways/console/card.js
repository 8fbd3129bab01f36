/** The card of an interrupt: what is asked, with exactly what; who may answer, until when; and in the end, who did. */

import { h, icon, set, text } from "./dom.js";
import { decidedHere, sentence } from "./decision.js";
import { answerForm } from "./answer.js";
import { everySecond, remaining } from "./time.js";
import { title, values } from "./values.js";
import { visible } from "./visible.js";

const ASKS = {
  approval: "Approval needed",
  gate: "Confirmation needed",
  question: "A question",
  form: "Something to fill in",
  client_tool: "Waits for a device",
  in_doubt: "In doubt",
};

/** What is asked, in a heading. */
export const asking = (interrupt) => {
  const what = interrupt.toolName ? title(interrupt.toolName) : visible(interrupt.message ?? "");
  return what ? `${ASKS[interrupt.kind]}: ${what}` : ASKS[interrupt.kind];
};

/**
 * @param {any} first the interrupt
 * @param {{session: any, subject: () => string | undefined, asker: () => string, say: (words: string) => void}} context
 */
export const card = (first, context) => {
  let interrupt = first;
  let lost = false;
  const heading = h("h2", { id: `ask-${first.id}`, tabindex: "-1" });
  const note = h("p", { class: "note", role: "status" });
  const body = h("div", { class: "card-body" });
  const node = h("section", { class: "card", "aria-labelledby": heading.id, "data-interrupt": first.id }, body);

  /** Sends an answer; whatever comes of it is said on the card. */
  const answer = async (payload, status) => {
    const hadFocus = node.contains(document.activeElement);
    try {
      const { outcome, decision } = await context.session.answer(interrupt.id, payload, status);
      if (outcome === "won") decidedHere(interrupt.id);
      lost = outcome === "lost";
      if (outcome === "recorded") text(note, "Your answer is recorded. It needs more than one.");
      if (interrupt.decision) close();
    } catch (error) {
      text(note, error.retry ? "That did not get through. Please try again." : `That was refused: ${visible(error.message)}`);
    }
    if (hadFocus) node.querySelector("[tabindex='-1']")?.focus();
  };

  const form = answerForm(first, answer);

  const open = () => {
    const { message, toolName, kind } = first;
    text(heading, toolName ? title(toolName) : visible(message || ASKS[kind]));
    body.replaceChildren(
      h("p", { class: "eyebrow" }, icon("ask"), h("span", null, ASKS[kind]), ...until(interrupt)),
      heading,
      message && toolName ? h("p", { class: "message-of-ask" }, visible(message)) : "",
      h("p", { class: "asker" }, `${context.asker()} asks`, who(interrupt)),
      first.input === undefined ? "" : values(first.input),
      form.node,
      note,
    );
  };

  const close = () => {
    const { words, reason, yes } = sentence(interrupt, context.subject());
    const told = lost ? `Already ${words.charAt(0).toLowerCase()}${words.slice(1)}` : words;
    set(node, { class: `card closed ${yes ? "yes" : "no"}` });
    body.replaceChildren(
      h("p", { class: "decided", tabindex: "-1" }, icon(yes ? "check" : "cross"), h("span", null, h("strong", null, told), reason ? `: “${reason}”` : "")),
      lost ? h("p", { class: "note", role: "status" }, "Your answer came too late and changed nothing.") : "",
      first.input === undefined ? "" : details(first, interrupt),
    );
  };

  const update = (next) => {
    const wasOpen = !interrupt.decision;
    interrupt = next;
    form.update(next);
    if (next.sending) text(note, navigator.onLine ? "Sending…" : "Sent when you are back online.");
    else if (/^Sen[dt]/.test(note.textContent)) text(note, "");
    if (next.decision && wasOpen) close();
  };

  open();
  if (first.decision) close();
  form.update(first);
  return { node, update };
};

const who = ({ approvers }) => {
  const { roles = [], subjects = [] } = approvers ?? {};
  const names = [...subjects, ...roles.map((role) => `the role “${role}”`)].map(visible);
  return names.length ? `, for ${names.join(" or ")} to answer` : "";
};

const THEN = { deny: "no", approve: "yes", cancel: "cancelled", escalate: "passed on" };

const until = ({ expiresAt, kind, onExpiry = "deny" }) => {
  if (!expiresAt) return [];
  const left = h("span", { class: "countdown", role: "timer" });
  queueMicrotask(() =>
    everySecond(left, () => {
      const ms = expiresAt - Date.now();
      text(left, ms > 0 ? `${remaining(ms)} left, then: ${kind === "in_doubt" ? "it counts as failed" : THEN[onExpiry]}` : "time is up");
      set(left, { class: ms < 60_000 ? "countdown soon" : "countdown" });
    }),
  );
  return [left];
};

const details = (asked, { decision }) => {
  const edited = decision.payload?.input;
  return h(
    "details",
    null,
    h("summary", null, edited === undefined ? "What was asked" : "What was asked, and what was approved"),
    values(asked.input),
    edited === undefined ? "" : values(edited),
  );
};
