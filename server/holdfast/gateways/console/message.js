/** One message: its parts in their order, with the cards where their calls stand. */

import { again } from "./again.js";
import { card } from "./card.js";
import { h, icon, keep, set, text } from "./dom.js";
import { markdown } from "./markdown.js";
import { line, raw, title } from "./values.js";
import { visible } from "./visible.js";

/**
 * @param {{message: any, interrupts: any[], pending: boolean, author: string}} first
 * @param {any} context what cards need
 */
export const message = (first, context) => {
  const body = h("div", { class: "parts" });
  const author = h("p", { class: "author" });
  const repeated = again(context);
  const node = h("article", { class: `message ${first.message.role}`, "data-message": first.message.id }, author, body, repeated.node);
  const update = (item) => {
    text(author, visible(item.author));
    set(node, { "data-pending": item.pending });
    keep(body, blocks(item), (block) => MAKE[block.kind](block, context));
    repeated.update(item);
  };
  update(first);
  return { node, update };
};

const isTool = ({ type }) => type === "dynamic-tool" || type.startsWith("tool-");

/** What is shown of a message; interrupts that no part of it names come last. */
const blocks = ({ message: { parts }, interrupts }) => {
  const left = new Set(interrupts);
  const shown = parts.flatMap((part, i) => {
    const key = `${i}`;
    if (part.type === "text") return part.text ? [{ key, kind: "text", part }] : [];
    if (part.type === "reasoning") return part.text ? [{ key, kind: "reasoning", part }] : [];
    if (part.type === "file") return [{ key, kind: "file", part }];
    if (part.type.startsWith("source-url")) return [{ key, kind: "file", part: { ...part, filename: part.title } }];
    if (part.type.startsWith("data-")) return [{ key, kind: "data", part }];
    if (!isTool(part)) return [];
    const asked = [...left].filter(({ toolCallId }) => toolCallId === part.toolCallId);
    for (const interrupt of asked) left.delete(interrupt);
    return [{ key, kind: "call", part }, ...asked.map(asCard)];
  });
  return [...shown, ...[...left].map(asCard)];
};

const asCard = (interrupt) => ({ key: interrupt.id, kind: "card", interrupt });

// ---------------------------------------------------------------- text

const written = ({ part }) => {
  const node = h("div", { class: "text" });
  let shown;
  const update = ({ part }) => {
    if (part.text === shown) return;
    shown = part.text;
    node.replaceChildren(...markdown(shown));
  };
  update({ part });
  return { node, update };
};

const reasoning = ({ part }) => {
  const words = h("div", { class: "text muted" });
  const agent = part.providerMetadata?.holdfast?.agent; // what one says that another agent had do something
  const node = h("details", { class: "aside" }, h("summary", null, typeof agent === "string" ? title(agent) : "Reasoning"), words);
  const update = ({ part }) => text(words, part.text);
  update({ part });
  return { node, update };
};

// ---------------------------------------------------------------- calls

const STATES = {
  "input-streaming": "preparing",
  "input-available": "running",
  "approval-requested": "waits for an answer",
  "approval-responded": "answered",
  "output-available": "done",
  "output-error": "failed",
  "output-denied": "denied",
};

/** A calm row: what is called, with what, how it stands; more on demand. */
const call = (first) => {
  const state = h("span", { class: "state" });
  const input = h("span", { class: "brief" });
  const more = h("div", { class: "more" });
  const name = title(first.part.toolName ?? first.part.type.slice("tool-".length));
  const node = h("details", { class: "call" }, h("summary", null, icon("tool"), h("span", { class: "name" }, name), input, state), more);
  let shown;
  const update = ({ part }) => {
    if (part === shown) return;
    shown = part;
    set(node, { "data-state": part.state });
    text(state, STATES[part.state] ?? visible(part.state));
    input.replaceChildren(...(part.input === undefined ? [] : line(part.input)));
    more.replaceChildren(...outcome(part));
  };
  update(first);
  return { node, update };
};

const outcome = (part) => {
  const rows = [["Input", part.input], ["Output", part.output], ["Error", part.errorText], ["Reason", part.approval?.reason]];
  return rows
    .filter(([, value]) => value !== undefined && value !== null)
    .flatMap(([label, value]) => [
      h("p", { class: "label" }, label),
      typeof value === "string" ? h("pre", { class: "json", tabindex: "0" }, visible(value)) : raw(value),
    ]);
};

// ---------------------------------------------------------------- other parts

const file = ({ part: { url, filename, mediaType } }) => {
  const isSafe = /^https?:/.test(url) || /^data:image\/(png|jpeg|gif|webp);/.test(url);
  const name = visible(filename ?? mediaType ?? "File");
  return { node: isSafe ? h("a", { class: "file", href: url, target: "_blank", rel: "noopener noreferrer" }, name) : h("p", { class: "file" }, name) };
};

const data = (first) => {
  const body = h("div", null);
  const node = h("details", { class: "aside" }, h("summary", null, title(first.part.type.slice("data-".length))), body);
  let shown;
  const update = ({ part }) => {
    if (part !== shown) body.replaceChildren(raw((shown = part).data));
  };
  update(first);
  return { node, update };
};

const asked = ({ interrupt }, context) => {
  const { node, update } = card(interrupt, context);
  let shown = interrupt;
  return {
    node,
    update: ({ interrupt }) => {
      if (interrupt !== shown) update((shown = interrupt));
    },
  };
};

const MAKE = { text: written, reasoning, call, file, data, card: asked };
