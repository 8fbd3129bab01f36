/** What is shown on a branch: the case of tests/unit/core/test_branches.py. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { fold, shown } from "../src/folding.js";
import { versions } from "../src/commands.js";
import { EMPTY } from "../src/state.js";

const B = { id: "t4", parent: "", before: "t2" };
const C = { id: "t6", parent: "t4", before: "t5" };
const D = { id: "t7", parent: "", before: "t2" };

/** The turns, each with its branch; and what the session says when that one begins. */
const TURNS = [
  ["t1", ""],
  ["t2", ""],
  ["t3", ""],
  ["t4", "t4", [B]],
  ["t5", "t4"],
  ["t6", "t6", [B, C]],
  ["t7", "t7", [B, C, D]],
];

const events = TURNS.flatMap(([turn, branch, branches]) => [
  ...(branches ? [{ type: "session.updated", session: { id: "s", branch, branches } }] : []),
  { type: "message", message: { id: `u-${turn}`, role: "user", parts: [] }, turn },
  { type: "turn.queued", turn, agent: "a", ...(branch && { branch }) },
  { type: "message", message: { id: `a-${turn}`, role: "assistant", parts: [] }, turn },
]);

const state = events.reduce((state, event, index) => fold(state, { seq: index + 1, at: 1, event }), EMPTY);

const on = (branch) => shown({ ...state, session: { ...state.session, branch } }).map(({ id }) => id);
const both = (...turns) => turns.flatMap((turn) => [`u-${turn}`, `a-${turn}`]);

for (const [branch, turns] of [
  [undefined, ["t1", "t2", "t3"]],
  ["t4", ["t1", "t4", "t5"]],
  ["t6", ["t1", "t4", "t6"]],
  ["t7", ["t1", "t7"]],
]) {
  test(`${branch ?? "the first branch"} shows what was before it and what was said on it`, () => {
    assert.deepEqual(on(branch), both(...turns));
  });
}

test("a session without branches shows all", () => {
  assert.equal(shown({ ...state, session: undefined, turns: {} }).length, state.placed.length);
});

test("where the turn that was replaced is not known, nothing of its branch is common", () => {
  const { t1: _, t2: __, ...turns } = state.turns;
  assert.deepEqual(shown({ ...state, turns, placed: state.placed.slice(4) }).map(({ id }) => id), both("t7"));
});

for (const [turn, expected] of [
  ["t1", [["t1", ""]]],
  ["t2", [["t2", ""], ["t4", "t4"], ["t7", "t7"]]],
  ["t4", [["t2", ""], ["t4", "t4"], ["t7", "t7"]]],
  ["t7", [["t2", ""], ["t4", "t4"], ["t7", "t7"]]],
  ["t5", [["t5", "t4"], ["t6", "t6"]]],
  ["t6", [["t5", "t4"], ["t6", "t6"]]],
]) {
  test(`in the place of ${turn}: ${expected.map(([own]) => own)}`, () => {
    const found = versions(state.session, state.turns[turn]);
    assert.deepEqual(found.map(({ turn, branch }) => [turn, branch]), expected);
  });
}
