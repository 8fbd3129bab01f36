/** Whom it is for, and what happens while nobody answers: reminders, hand-overs, and in the end the deadline. */

import { h, icon, set, text } from "./dom.js";
import { inWords, together } from "./people.js";
import { isReview } from "./review.js";
import { at, everySecond, remaining } from "./time.js";
import { visible } from "./visible.js";

const SOON_MS = 60_000;

/** "the role “manager” and Bob". @param {{roles?: string[], subjects?: string[]}} whom */
const named = ({ roles = [], subjects = [] }) => [...subjects, ...roles.map((role) => `the role “${role}”`)].map(visible);

/** Whom it is for, and how many of them it takes; changes when it is handed over. */
export const audience = ({ approvers }) => {
  const { quorum = 1, notRequester, members } = approvers ?? {};
  const names = [...named(approvers ?? {}), ...(members ? ["whoever is here"] : [])];
  const of = quorum > 1 ? `${inWords(quorum)} of ` : "";
  const whom = names.length ? `, for ${of}${together(names, "or")} to answer` : "";
  return notRequester ? `${whom}; not for who caused it` : whom;
};

/** "role:manager", as it is kept, in words. @param {string} whom */
const inRole = (whom) => visible(whom.replace(/^role:(.*)$/, "the role “$1”"));

const NOBODY = "nobody could be expected to answer";
const WHY = {
  time: "nobody had answered",
  conflict: "the votes differed",
  expiry: "time was up",
  unroutable: NOBODY,
  nobody_known: NOBODY,
  all_away: NOBODY,
};
const REACHES_NOBODY = {
  nobody_known: "Nobody who may answer this is known here.",
  all_away: "Everybody who may answer this is away.",
};

/** What was done: "Passed on to the role “manager” at 14:02: the votes differed." @type {Record<string, (done: any) => string>} */
const ACTS = {
  remind: ({ at: when }) => `Everybody was reminded at ${at(when)}.`,
  hand_over: ({ at: when, why, to = [] }) => `Passed on to ${together(to.map(inRole)) || "others"} at ${at(when)}: ${WHY[why] ?? WHY.time}.`,
};

/** What comes next. @param {any} interrupt @param {number} now */
const next = ({ ladder = [], climbed = 0 }, now) => {
  const rung = ladder[climbed];
  if (!rung || rung.at <= now) return "";
  const what = rung.action === "remind" ? "everybody is reminded" : `it is passed on to ${together(named(rung)) || "others"}`;
  return `In ${remaining(rung.at - now)} ${what}.`;
};

export const ladder = (first) => {
  let interrupt = first;
  const past = h("span", null);
  const ahead = h("span", { class: "muted" });
  const node = h("p", { class: "ladder", hidden: true }, icon("clock"), h("span", null, past, " ", ahead));
  const show = () => {
    const last = interrupt.escalations?.findLast(({ action }) => action in ACTS);
    const lines = [last ? ACTS[last.action](last) : "", REACHES_NOBODY[interrupt.unroutable] ?? ""];
    text(past, lines.filter(Boolean).join(" "));
    text(ahead, next(interrupt, Date.now()));
    node.hidden = !past.textContent && !ahead.textContent;
  };
  queueMicrotask(() => everySecond(node, show));
  show();
  return {
    node,
    update: (now) => {
      interrupt = now;
      show();
    },
  };
};

const THEN = { deny: "it counts as no", approve: "it counts as yes", cancel: "it is cancelled", escalate: "it is passed on" };

/** What is left of the time, and what comes then; a hand-over may put it off. */
export const countdown = (first) => {
  let { expiresAt } = first;
  const { kind, onExpiry = "deny" } = first;
  const then = isReview(first) ? "it goes" : kind === "in_doubt" ? "it counts as failed" : THEN[onExpiry];
  const node = h("span", { class: "countdown", role: "timer" });
  const show = () => {
    const ms = expiresAt - Date.now();
    node.hidden = !expiresAt;
    text(node, ms > 0 ? `${remaining(ms)} left, then ${then}` : "time is up");
    set(node, { class: ms < SOON_MS ? "countdown soon" : "countdown" });
  };
  queueMicrotask(() => everySecond(node, show));
  show();
  return {
    node,
    update: (now) => {
      ({ expiresAt } = now);
      show();
    },
  };
};
