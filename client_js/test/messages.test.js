import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { foldChunk, interrupted } from "../src/messages.js";

const CASES = JSON.parse(
  readFileSync(new URL("../../tests/conformance/messages.json", import.meta.url), "utf8"),
);

const fresh = () => ({ id: "", role: "assistant", parts: [] });

/** Makes every change in place an error. */
const frozen = (value) => {
  if (value && typeof value === "object") Object.values(Object.freeze(value)).forEach(frozen);
  return value;
};

for (const { name, start, chunks, then, message } of CASES) {
  test(name, () => {
    let folded = frozen(start ?? fresh());
    for (const chunk of frozen(chunks)) folded = frozen(foldChunk(folded, chunk));
    assert.deepEqual(then ? interrupted(folded) : folded, message);
  });

  test(`${name}, with a snapshot after every chunk`, () => {
    let folded = start ?? fresh();
    for (const chunk of chunks) folded = foldChunk(JSON.parse(JSON.stringify(folded)), chunk);
    assert.deepEqual(then ? interrupted(folded) : folded, message);
  });
}

test("a part that a chunk does not touch stays the same object", () => {
  const before = [
    { type: "text-start", id: "0" },
    { type: "text-end", id: "0" },
    { type: "text-start", id: "1" },
  ].reduce(foldChunk, fresh());
  const after = foldChunk(before, { type: "text-delta", id: "1", delta: "a" });
  assert.notEqual(after, before);
  assert.notEqual(after.parts, before.parts);
  assert.equal(after.parts[0], before.parts[0]);
  assert.notEqual(after.parts[1], before.parts[1]);
});

test("a chunk that changes nothing returns the same message", () => {
  const message = frozen(fresh());
  for (const type of ["finish-step", "abort", "error", "finish", "text-delta", "tool-output-denied", "x-foo", "__proto__"]) {
    assert.equal(foldChunk(message, { type, id: "0", toolCallId: "c1", delta: "a" }), message, type);
  }
  assert.equal(interrupted(message), message);
});

test("no key of a chunk reaches a prototype", () => {
  const chunk = JSON.parse('{"type":"message-metadata","messageMetadata":{"__proto__":{"polluted":1}}}');
  const { metadata } = [{ type: "start", messageMetadata: { a: 1 } }, chunk].reduce(foldChunk, fresh());
  assert.deepEqual(metadata, { a: 1 });
  assert.equal({}.polluted, undefined);
});
