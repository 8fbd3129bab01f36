/** What was decided, by whom and when, in a sentence. */

import { inPlaceOf, nameOf, together } from "./people.js";
import { isReview } from "./review.js";
import { at } from "./time.js";
import { visible } from "./visible.js";

const HERE = "holdfast:decided-here:";

/** Remembers that this device's answer was the one that counted. */
export const decidedHere = (interrupt) => sessionStorage.setItem(HERE + interrupt, "1");

/** @returns {{words: string, reason?: string, yes: boolean}} */
export const sentence = (interrupt, subject) => {
  const { status, payload, at: when } = interrupt.decision;
  const who = by(interrupt, subject);
  const reason = payload?.reason && visible(payload.reason);
  if (isReview(interrupt)) return { ...verdict(interrupt, who), reason: payload?.text && visible(payload.text) };
  if (status === "expired") return { words: `Nobody answered in time, ${at(when)}: ${EXPIRED[interrupt.onExpiry ?? "deny"]}`, yes: false };
  if (status !== "resolved") return { words: `${CLOSED[status]}${who}, ${at(when)}`, reason, yes: false };
  const [verb, yes] = verbOf(interrupt.kind, payload ?? {});
  const changed = payload?.grant ? ", from now on always," : payload?.input === undefined ? "" : " with changes";
  return { words: `${verb}${changed}${who}, ${at(when)}`, reason, yes };
};

const verdict = ({ decision: { status, payload, at: when } }, who) => {
  if (status !== "resolved") return { words: status === "expired" ? `Nobody looked in time, ${at(when)}` : `${CLOSED[status]}${who}, ${at(when)}`, yes: false };
  const yes = payload?.selected?.[0] === "right";
  return { words: `Found ${yes ? "right" : "wrong"}${who}, ${at(when)}`, yes };
};

const EXPIRED = { deny: "this counts as no", approve: "this counts as yes", cancel: "cancelled", escalate: "nobody was left to ask" };
const CLOSED = { cancelled: "Cancelled", withdrawn: "Taken back", superseded: "Replaced by something newer" };

const verbOf = (kind, payload) => {
  if (kind === "approval" || kind === "gate") return payload.approved ? ["Approved", true] : ["Denied", false];
  if (kind === "form" && payload.action !== "accept") return ["Declined", false];
  if (kind === "client_tool" && payload.error !== undefined) return ["Failed", false];
  return ["Answered", true];
};

const by = ({ id, decision, votes = [] }, subject) => {
  const { kind, id: whom } = decision.by;
  const [name, actor] = [decision.by.name, decision.by.actor].map((words) => words && visible(words));
  if (kind !== "person") return kind === "policy" ? ` by the rule ${name ?? visible(whom)}` : "";
  const same = votes.filter((vote) => vote.approved === decision.payload?.approved && vote.by.id !== whom);
  const others = same.map((vote) => nameOf(vote.by, subject));
  const through = (actor ? ` through ${actor}` : "") + inPlaceOf(decision.by);
  if (whom !== subject) return ` by ${together([...others, `${name ?? visible(whom)}${through}`])}`;
  return ` by ${together([...others, `${name ?? "you"}${through}`])} on ${sessionStorage.getItem(HERE + id) ? "this" : "another"} device`;
};
