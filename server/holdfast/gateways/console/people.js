/** People in words. */

import { visible } from "./visible.js";

/** Whom a deputy stands in for. @param {{deputyFor?: string}} by */
export const inPlaceOf = ({ deputyFor }) => (deputyFor ? ` for ${visible(deputyFor)}` : "");

/** "you", or a name. @param {{id: string, name?: string, deputyFor?: string}} by @param {string} [subject] of this device's person */
export const nameOf = (by, subject) => (by.id === subject ? "you" : visible(by.name ?? by.id)) + inPlaceOf(by);

/** "Alice", "Alice and Bob", "Alice, Bob and Carol". @param {string[]} names @param {"and" | "or"} [word] */
export const together = (names, word = "and") =>
  names.length > 1 ? `${names.slice(0, -1).join(", ")} ${word} ${names.at(-1)}` : (names[0] ?? "");

/** With a capital, at the beginning of a sentence. @param {string} words */
export const capital = (words) => words.charAt(0).toUpperCase() + words.slice(1);

const NUMBERS = ["no", "one", "two", "three", "four", "five", "six"];
/** "two", "12". @param {number} count */
export const inWords = (count) => NUMBERS[count] ?? `${count}`;

/** Whether this person may step in: a hint for what to show, the server decides. */
export const isOperator = (principal) => Boolean(principal) && (principal.roles.includes("operator") || principal.can.includes("admin"));
