import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { absorb, fold, fromSnapshot } from "../src/folding.js";
import { EMPTY } from "../src/state.js";

const CASES = JSON.parse(
  readFileSync(new URL("../../tests/conformance/folding.json", import.meta.url), "utf8"),
);

/** Makes every change in place an error. */
const frozen = (value) => {
  if (value && typeof value === "object" && !Object.isFrozen(value)) {
    Object.values(Object.freeze(value)).forEach(frozen);
  }
  return value;
};

/** A state as the cases write it. */
const shown = ({ seq, session = null, placed, turns, interrupts, state, stateVersion }) =>
  JSON.parse(
    JSON.stringify({
      seq,
      session,
      messages: placed.map(({ message }) => message),
      places: Object.fromEntries(placed.map(({ message, ...place }) => [message.id, place])),
      turns,
      interrupts,
      state,
      stateVersion,
    }),
  );

const byId = (list) => Object.fromEntries(list.map((one) => [one.id, one]));

/** A state of the cases: what has an id is found by it, whatever its place in the list. */
const written = ({ turns, interrupts, ...rest }) => ({ ...rest, turns: byId(turns), interrupts: byId(interrupts) });

/** A state as a server would give it. */
const asSnapshot = (state) => {
  const { turns, interrupts, ...rest } = shown(state);
  const lists = { turns: Object.values(turns), interrupts: Object.values(interrupts) };
  return { ...rest, ...lists, more: state.more, before: state.before };
};

for (const { name, attached, events, pages = [], state } of CASES) {
  const begin = () =>
    attached ? fromSnapshot(attached.snapshot, attached.epoch, attached.seq) : { ...EMPTY, epoch: "e1" };

  test(name, () => {
    let folded = frozen(begin());
    for (const event of frozen(events)) folded = frozen(fold(folded, event));
    for (const page of frozen(pages)) folded = frozen(absorb(folded, page));
    assert.deepEqual(shown(folded), written(state));
  });

  test(`${name}, with a snapshot after every event`, () => {
    let folded = begin();
    for (const event of events) {
      folded = fold(fromSnapshot(JSON.parse(JSON.stringify(asSnapshot(folded))), "e1", folded.seq), event);
    }
    for (const page of pages) folded = absorb(folded, page);
    assert.deepEqual(shown(folded), written(state));
    assert.ok(!folded.more);
  });
}

test("what an event does not touch stays the same object", () => {
  const { events } = CASES.find(({ name }) => name.includes("streams while somebody else writes"));
  const before = events.slice(0, -1).reduce(fold, EMPTY);
  const after = fold(before, events.at(-1));
  assert.notEqual(after.placed, before.placed);
  assert.equal(after.placed[0], before.placed[0]);
  assert.equal(after.turns, before.turns);
  assert.equal(after.interrupts, before.interrupts);
  assert.equal(fold(after, events[0]), after);
});
