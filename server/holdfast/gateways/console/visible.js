/** Text as it is: what has no shape of its own, or moves other characters about, is shown by its number. */

/** Controls, formats, unassigned and default-ignorable characters, and spaces too thin to see; not the parts of emoji. */
const UNSEEN =
  /(?!\n|\t|(?<=\p{So})\u{FE0F}|(?<=[\p{So}\u{FE0F}\u{1F3FB}-\u{1F3FF}])\u{200D}\p{So})[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u{2000}-\u{200A}\u{205F}\u{2800}]/gu;

/** "A\u202E17" is "A‹U+202E›17". @param {string} words */
export const visible = (words) =>
  `${words}`.replace(UNSEEN, (one) => `‹U+${one.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}›`);

/** The first characters, none of them cut in two. @param {string} words @param {number} count */
export const start = (words, count) => [...words].slice(0, count).join("");
