/** Light markdown, as agents write it: paragraphs, lists, bold, emphasis, code, links. Made of elements, never of HTML. */

import { h } from "./dom.js";

const FENCE = /^```/;
const BULLET = /^\s*[-*•]\s+/;
const NUMBER = /^\s*\d+[.)]\s+/;
const HEADING = /^#{1,6}\s+/;

/** @param {string} source @returns {Node[]} */
export const markdown = (source) => {
  const lines = source.split("\n");
  const blocks = [];
  while (lines.length) {
    if (!lines[0].trim()) lines.shift();
    else blocks.push(block(lines));
  }
  return blocks;
};

const block = (lines) => {
  if (FENCE.test(lines[0])) return code(lines);
  for (const [tag, mark] of [["ul", BULLET], ["ol", NUMBER]]) {
    if (mark.test(lines[0])) return list(tag, mark, lines);
  }
  if (HEADING.test(lines[0])) return h("p", null, h("strong", null, inline(lines.shift().replace(HEADING, ""))));
  return h("p", null, inline(takeWhile(lines, (line) => line.trim() && ![FENCE, BULLET, NUMBER, HEADING].some((mark) => mark.test(line))).join("\n")));
};

const code = (lines) => {
  lines.shift();
  const body = takeWhile(lines, (line) => !FENCE.test(line), 0);
  lines.shift();
  return h("pre", { tabindex: "0" }, h("code", null, body.join("\n")));
};

const list = (tag, mark, lines) =>
  h(tag, null, takeWhile(lines, (line) => mark.test(line)).map((line) => h("li", null, inline(line.replace(mark, "")))));

/** Takes lines from the front; at least `least`, so that every call gets on. */
const takeWhile = (lines, fits, least = 1) => {
  const end = lines.findIndex((line, i) => i >= least && !fits(line));
  return lines.splice(0, end < 0 ? lines.length : end);
};

const INLINE = /`([^`]+)`|\*\*(.+?)\*\*|\*([^*\s][^*]*)\*|\[([^\]]+)\]\((https?:\/\/[^\s)]+)\)|(https?:\/\/[^\s<>()]+[^\s<>().,;:!?])/g;

/** @param {string} words */
const inline = (words) => {
  const nodes = [];
  let end = 0;
  for (const match of words.matchAll(INLINE)) {
    const [whole, code, bold, emphasis, label, href, bare] = match;
    nodes.push(words.slice(end, match.index));
    end = match.index + whole.length;
    if (code) nodes.push(h("code", null, code));
    else if (bold) nodes.push(h("strong", null, inline(bold)));
    else if (emphasis) nodes.push(h("em", null, emphasis));
    else nodes.push(h("a", { href: href ?? bare, target: "_blank", rel: "noopener noreferrer" }, label ?? bare));
  }
  return [...nodes, words.slice(end)];
};
