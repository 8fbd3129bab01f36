/** The votes, where more than one person must approve: how many, whose, and what is still missing. */

import { h, icon, keep, set, text } from "./dom.js";
import { capital, inWords, nameOf } from "./people.js";
import { visible } from "./visible.js";

/** This person's vote, if it still counts. */
export const ownVote = ({ votes = [] }, subject) => votes.find(({ by }) => by.id === subject);

/** @param {any} first the interrupt @param {{subject: () => string | undefined}} context */
export const tally = (first, context) => {
  const { quorum = 1, conflict = "veto" } = first.approvers ?? {};
  if (quorum < 2) return { node: "", update: () => {} };
  const words = h("p", { class: "tally-words" });
  const marks = h("span", { class: "marks", "aria-hidden": "true" });
  const list = h("ul", { class: "votes" });
  const node = h("div", { class: "tally" }, h("div", { class: "tally-head" }, marks, words), list);
  const update = ({ votes = [] }) => {
    const yes = votes.filter(({ approved }) => approved).length;
    text(words, sentence(votes, yes, quorum, conflict));
    keep(marks, marksOf(votes, quorum), ({ kind }) => mark(kind));
    keep(list, votes.map((vote) => ({ key: vote.by.id, vote })), (item) => row(item, context.subject()));
  };
  update(first);
  return { node, update };
};

const RULES = {
  veto: "One no is enough to deny it.",
  majority: "The larger side decides.",
  unanimous: "All of them must say yes.",
  escalate: "If they differ, it is passed on.",
};

const sentence = (votes, yes, quorum, conflict) => {
  const needs = `${capital(inWords(quorum))} people must ${conflict === "veto" ? "approve" : "vote"}.`;
  if (!votes.length) return `${needs} ${RULES[conflict] ?? ""}`;
  const left = Math.max(1, quorum - (conflict === "veto" ? yes : votes.length));
  return `${conflict === "veto" ? `${yes} of ${quorum} approved` : `${votes.length} of ${quorum} voted`}; ${inWords(left)} more ${left > 1 ? "are" : "is"} needed.`;
};

const marksOf = (votes, quorum) =>
  Array.from({ length: Math.max(quorum, votes.length) }, (_, i) => {
    const kind = votes[i] ? (votes[i].approved ? "yes" : "no") : "open";
    return { key: `${i}${kind}`, kind };
  });

const mark = (kind) => ({ node: h("span", { class: `mark ${kind}` }, kind === "open" ? "" : icon(kind === "yes" ? "check" : "cross")) });

const row = ({ vote }, subject) => {
  const reason = h("span", { class: "muted" });
  const said = h("span", null);
  const update = ({ vote: { by, approved, reason: why } }) => {
    text(said, `${capital(nameOf(by, subject))} said ${approved ? "yes" : "no"}`);
    text(reason, why ? `: “${visible(why)}”` : "");
  };
  update({ vote });
  return { node: set(h("li", null, said, reason), { class: vote.approved ? "yes" : "no" }), update };
};
