/** The inbox: all that waits for this person, over all sessions; answered one by one, or several at once. */

import { readInterrupt } from "./api.js";
import { standing } from "./arguments.js";
import { asking, card } from "./card.js";
import { answerMany } from "./client/commands.js";
import { button } from "./fields.js";
import { decidedHere, sentence } from "./decision.js";
import { h, icon, keep, set, text } from "./dom.js";
import { capital, inWords } from "./people.js";
import { isReview, urgent } from "./review.js";
import { risk } from "./stakes.js";
import { ownVote } from "./tally.js";
import { everySecond, remaining } from "./time.js";
import { line, short } from "./values.js";
import { visible } from "./visible.js";

const AT_ONCE_MAX = 100; // what one command takes
const BRIEF_MAX = 200; // characters; what is longer must be opened before anybody says yes to it

/**
 * @param {Element} node
 * @param {{client: any, subject: () => string | undefined, principal: () => any, nameOf: (session: string) => string, askerOf: (session: string) => string, open: (session: string) => void, say: (words: string) => void}} context
 */
export const inbox = (node, context) => {
  /** What is chosen, and what became of what was answered here. */
  const chosen = new Set();
  const results = new Map();
  const list = h("ul", { class: "asks" });
  const heading = h("h2", { tabindex: "-1" });
  const all = h("input", { type: "checkbox" });
  const yes = button("primary small", "Approve", () => answer(true));
  const no = button("secondary small", "Deny", () => answer(false));
  const chosenCount = h("span", { class: "muted", role: "status" });
  const bar = h("div", { class: "bulk", role: "group", "aria-label": "Answer several at once" }, h("label", { class: "pick" }, all, "All"), chosenCount, h("span", { class: "grow" }), yes, no);
  const note = h("p", { class: "note", role: "status" });
  const looks = h("p", { class: "muted" });
  node.append(heading, looks, note, bar, list);

  /** What somebody waits for comes first. */
  const known = () => {
    const { interrupts } = context.client.inbox.getSnapshot();
    return [...urgent(interrupts), ...interrupts.filter(isReview)];
  };
  const selectable = () => known().filter((each) => isPlain(each, context.subject()));

  const show = () => {
    const now = known();
    for (const id of chosen) if (!now.some((each) => each.id === id)) chosen.delete(id);
    const count = urgent(now).length;
    text(heading, count ? `${capital(inWords(count))} ${count > 1 ? "things wait" : "thing waits"} for you` : "Nothing waits for you");
    text(looks, now.length > count ? `${capital(inWords(now.length - count))} done without asking: say whether ${now.length - count > 1 ? "they were" : "it was"} right, when you have time.` : "");
    bar.hidden = selectable().length < 2;
    const open = now.map((interrupt) => ({ key: interrupt.id, interrupt, isChosen: chosen.has(interrupt.id), result: results.get(interrupt.id) }));
    const gone = [...results].filter(([id]) => !now.some((each) => each.id === id)).map(([key, result]) => ({ key, interrupt: result.interrupt, result }));
    keep(list, [...open, ...gone], (item) => ask(item, { ...context, choose, didAnswer }));
    const many = chosen.size;
    text(chosenCount, many ? `${many} chosen` : "");
    text(yes, many ? `Approve ${many}` : "Approve");
    text(no, many ? `Deny ${many}` : "Deny");
    for (const each of [yes, no]) set(each, { disabled: !many });
    all.checked = many > 0 && many === Math.min(selectable().length, AT_ONCE_MAX);
    all.indeterminate = many > 0 && !all.checked;
    const { error, hasMore } = context.client.inbox.getSnapshot();
    text(note, error ? `The inbox cannot be read now: ${visible(error.message)}` : hasMore ? "These are the newest. There are more." : "");
  };

  const choose = (id, isChosen) => {
    if (isChosen) chosen.add(id);
    else chosen.delete(id);
    show();
  };

  all.addEventListener("change", () => {
    chosen.clear();
    if (all.checked) for (const { id } of selectable().slice(0, AT_ONCE_MAX)) chosen.add(id);
    show();
  });

  /** Something was answered here: it stays in the list with what became of it, until somebody looks elsewhere. */
  const didAnswer = (interrupt, result) => {
    results.set(interrupt.id, { ...result, interrupt });
    show();
  };

  const answer = async (approved) => {
    const asked = known().filter(({ id }) => chosen.has(id));
    for (const each of [yes, no]) set(each, { disabled: true });
    const answers = asked.map((each) => ({ session: each.session, interrupt: each.id, payload: payloadOf(each, approved) }));
    try {
      const told = await answerMany(context.client, answers);
      chosen.clear();
      asked.forEach((each, i) => didAnswer(each, told[i]));
      context.say(summary(told));
      context.client.inbox.refresh();
    } catch (error) {
      text(note, `That was not sent: ${visible(error.message)}`);
      show();
    }
  };

  return {
    show,
    /** Forgets what was answered. */
    leave: () => {
      results.clear();
      chosen.clear();
      show();
    },
    focus: () => heading.focus(),
  };
};

const payloadOf = (interrupt, approved) => (approved ? { approved, inputHash: standing(interrupt).inputHash } : { approved });

/** Whether a plain yes or no will do, and a line shows all of what it is about. */
const isPlain = (interrupt, subject) =>
  /^(approval|gate)$/.test(interrupt.kind) &&
  !interrupt.approvers?.requireReason &&
  !ownVote(interrupt, subject) &&
  brief(interrupt).length <= BRIEF_MAX;

const brief = (interrupt) => {
  const { input } = standing(interrupt);
  return input === undefined ? "" : Object.values(Object(input)).map(short).join(" · ");
};

const summary = (told) => {
  const counts = Map.groupBy(told, ({ outcome }) => outcome ?? "refused");
  const words = { won: "decided", recorded: "recorded", lost: "answered by somebody before", refused: "refused" };
  return Object.entries(words).filter(([key]) => counts.has(key)).map(([key, said]) => `${counts.get(key).length} ${said}`).join(", ");
};

// ---------------------------------------------------------------- one of them

/** A line that opens into the whole card. */
const ask = (first, context) => {
  let { interrupt } = first;
  let whole;
  const pick = h("input", { type: "checkbox", "aria-label": `Choose ${asking(interrupt)}` });
  pick.addEventListener("change", () => context.choose(interrupt.id, pick.checked));
  const left = h("span", { class: "countdown" });
  const where = h("bdi", null);
  const words = h("span", { class: "brief" });
  const result = h("p", { class: "result", role: "status" });
  const place = h("div", { class: "whole", id: `whole-${interrupt.id}`, hidden: true });
  const head = h("button", { type: "button", class: "ask-head", "aria-expanded": "false", "aria-controls": place.id, onclick: () => toggle() }, h("span", { class: "name" }, asking(interrupt)), risk(interrupt), words, h("span", { class: "where" }, where, left));
  const node = h("li", { class: "ask" }, h("div", { class: "ask-line" }, pick, head), result, place);

  const session = () => context.client.session(interrupt.session);

  const toggle = () => {
    const isOpen = place.hidden;
    place.hidden = !isOpen;
    set(head, { "aria-expanded": String(isOpen) });
    if (isOpen && !whole) {
      whole = card({ ...interrupt, canAnswer: true }, { ...context, session: session(), asker: () => context.askerOf(interrupt.session) });
      const go = button("quiet", "Open the conversation", () => context.open(interrupt.session));
      place.append(whole.node, go);
    }
  };

  /** It is in the inbox no more, and was not answered here: somebody else did, or time has. */
  const update = (item) => {
    interrupt = item.interrupt;
    set(node, { "data-done": Boolean(item.result) });
    pick.hidden = Boolean(item.result) || !isPlain(interrupt, context.subject());
    pick.checked = Boolean(item.isChosen);
    words.replaceChildren(...line((isReview(interrupt) ? interrupt.input?.context?.input : standing(interrupt).input) ?? ""));
    text(where, context.nameOf(interrupt.session));
    result.replaceChildren(...(item.result ? told(item.result, context.subject()) : []));
    whole?.update({ ...interrupt, canAnswer: !item.result, decision: item.result?.decision });
  };

  const { expiresAt } = interrupt;
  if (expiresAt) queueMicrotask(() => everySecond(left, () => text(left, expiresAt > Date.now() ? ` · ${remaining(expiresAt - Date.now())} left` : " · time is up")));
  update(first);
  const gone = () => {
    if (place.hidden) return;
    readInterrupt(interrupt.id)
      .then(({ decision }) => decision && context.didAnswer(interrupt, { outcome: "lost", decision, isElsewhere: true }))
      .catch(() => {});
  };
  return { node, update, gone };
};

const told = ({ interrupt, outcome, decision, error, isElsewhere }, subject) => {
  if (error) return [icon("cross"), `Refused: ${visible(error.message)}`];
  if (outcome === "recorded") return [icon("check"), "Your vote is recorded."];
  if (outcome === "won") decidedHere(interrupt.id);
  const { words, yes } = sentence({ ...interrupt, decision }, subject);
  return [icon(yes ? "check" : "cross"), outcome === "lost" && !isElsewhere ? `Already ${words.charAt(0).toLowerCase()}${words.slice(1)}` : words];
};
