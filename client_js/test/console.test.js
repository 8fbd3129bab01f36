import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const FILE = new URL("../../server/holdfast/gateways/console/visible.js", import.meta.url);
const { start, visible } = await import(`data:text/javascript,${encodeURIComponent(readFileSync(FILE, "utf8"))}`);

for (const [words, shown] of [
  ["A\u202e17", "A‹U+202E›17"],
  ["\u2066\u2069\u200e\u200f\u061c", "‹U+2066›‹U+2069›‹U+200E›‹U+200F›‹U+061C›"],
  ["a\u200bb\ufeff\x1b\x07\x9b\r", "a‹U+200B›b‹U+FEFF›‹U+001B›‹U+0007›‹U+009B›‹U+000D›"],
  ["\u3164\u2800\u2028\u{e0041}\ud800", "‹U+3164›‹U+2800›‹U+2028›‹U+E0041›‹U+D800›"],
  ["1\ufe0f x\u200dy", "1‹U+FE0F› x‹U+200D›y"],
]) {
  test(`what is not seen is shown by its number: ${shown}`, () => assert.equal(visible(words), shown));
}

for (const words of ["€ 120,50\n\tÅngström", "שלום, مرحبا", "⚠\ufe0f \u{1f469}\u{1f3fd}\u200d\u{1f4bb}"]) {
  test(`what is seen stays: ${words}`, () => assert.equal(visible(words), words));
}

test("a title cuts no character in two", () => assert.equal(start("a😀😀", 2), "a😀"));
