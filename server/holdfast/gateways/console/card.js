/** The card of an interrupt: what is asked, with exactly what; who may answer, until when; and in the end, who did. */

import { answerForm } from "./answer.js";
import { argumentsOf, record } from "./arguments.js";
import { claim } from "./claim.js";
import { decidedHere, sentence } from "./decision.js";
import { h, icon, set, text } from "./dom.js";
import { grant } from "./grant.js";
import { audience, countdown, ladder } from "./ladder.js";
import { progress } from "./progress.js";
import { isReview, seen } from "./review.js";
import { risk, stakes } from "./stakes.js";
import { tally } from "./tally.js";
import { title } from "./values.js";
import { visible } from "./visible.js";
import { withdrawal } from "./withdraw.js";

const ASKS = {
  approval: "Approval needed",
  gate: "Confirmation needed",
  question: "A question",
  form: "Something to fill in",
  client_tool: "Waits for a device",
  in_doubt: "In doubt",
};

const asks = (interrupt) => (isReview(interrupt) ? "Done without asking" : ASKS[interrupt.kind]);

/** What is asked, in a heading. */
export const asking = (interrupt) => {
  const what = interrupt.toolName ? title(interrupt.toolName) : visible(interrupt.message ?? "");
  return what ? `${asks(interrupt)}: ${what}` : asks(interrupt);
};

/**
 * @param {any} first the interrupt
 * @param {{session: any, principal: () => any, subject: () => string | undefined, asker: () => string, say: (words: string) => void}} context
 */
export const card = (first, context) => {
  let interrupt = first;
  let lost = false;
  const heading = h("h2", { id: `ask-${first.id}`, tabindex: "-1" });
  const note = h("p", { class: "note", role: "status" });
  const body = h("div", { class: "card-body" });
  const afterwards = isReview(first) ? " review" : "";
  const node = h("section", { class: `card${afterwards}`, "aria-labelledby": heading.id, "data-interrupt": first.id }, body);

  const tell = (words) => text(note, visible(words));

  /** Waits for what becomes of an answer, and says it on the card. @param {Promise<any>} answered */
  const did = async (answered) => {
    const hadFocus = node.contains(document.activeElement);
    try {
      const { outcome, decision } = await answered;
      if (outcome === "won") decidedHere(interrupt.id);
      lost = outcome === "lost";
      tell(outcome === "recorded" ? "Your answer is recorded." : "");
      if (interrupt.decision) close();
      else if (decision) update({ ...interrupt, decision }); // nobody else would say so where the session is not followed
    } catch (error) {
      tell(refusal(error));
    }
    if (hadFocus) node.querySelector("[tabindex='-1']")?.focus();
  };

  const own = { ...context, session: context.session, tell, did: (ask) => did(ask()) };
  const args = argumentsOf(first, own);
  const answer = (payload, status) => did(context.session.answer(interrupt.id, payload, status));
  const form = answerForm(first, answer, { ...own, args });
  const always = grant(first, { answer });
  const votes = tally(first, own);
  const looking = claim(first, own);
  const takeBack = withdrawal(first, own);
  const [time, climbing, doing] = [countdown(first), ladder(first), progress(first)];
  const asker = h("p", { class: "asker" });
  const whoAsks = () => (first.agent ? title(first.agent) : context.asker()); // an agent that another one called says so

  const open = () => {
    const { message, toolName, kind } = first;
    text(heading, toolName ? title(toolName) : visible(message || ASKS[kind]));
    const whose = afterwards ? `Nothing waits for this${audience(interrupt)}.` : `${whoAsks()} asks${audience(interrupt)}`;
    body.replaceChildren(
      h("p", { class: "eyebrow" }, icon(afterwards ? "eye" : "ask"), h("span", null, asks(first)), risk(first), time.node),
      heading,
      message && toolName ? h("p", { class: "message-of-ask" }, visible(message)) : "",
      text(asker, whose),
      afterwards ? "" : stakes(first),
      afterwards ? seen(first) : args.node,
      votes.node,
      climbing.node,
      looking.node,
      doing.node,
      form.node,
      note,
      always.node,
      takeBack.node,
      h("div", { class: "more-ways" }, form.more, always.toggles, looking.toggle, takeBack.toggles),
    );
  };

  const close = () => {
    const { words, reason, yes } = sentence(interrupt, context.subject());
    const told = lost ? `Already ${words.charAt(0).toLowerCase()}${words.slice(1)}` : words;
    set(node, { class: `card closed${afterwards} ${yes ? "yes" : "no"}` });
    body.replaceChildren(
      h("p", { class: "decided", tabindex: "-1" }, icon(yes ? "check" : "cross"), h("span", null, h("strong", null, told), reason ? `: “${reason}”` : "")),
      lost ? h("p", { class: "note", role: "status" }, "Your answer came too late and changed nothing.") : "",
      afterwards ? h("details", null, h("summary", null, "What was done"), seen(interrupt)) : record(interrupt),
    );
  };

  const update = (next) => {
    const wasOpen = !interrupt.decision;
    interrupt = next;
    for (const part of [args, form, votes, time, climbing, looking, doing, always]) part.update(next);
    if (!afterwards) text(asker, `${whoAsks()} asks${audience(next)}`);
    if (next.sending) tell(navigator.onLine ? "Sending…" : "Sent when you are back online.");
    else if (/^Sen[dt]/.test(note.textContent)) tell("");
    if (next.decision && wasOpen) close();
  };

  open();
  if (first.decision) close();
  for (const part of [form, always]) part.update(first);
  return { node, update };
};

const refusal = ({ code, message, retry }) => {
  if (retry) return "That did not get through. Please try again.";
  return code === "conflict" ? `Please look again: ${message}` : `That was refused: ${message}`;
};
