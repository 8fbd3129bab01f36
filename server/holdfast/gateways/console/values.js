/** Arguments and results as people read them, with the exact JSON beside them. */

import { h } from "./dom.js";
import { visible } from "./visible.js";

/** "order_id" and "orderId" are "Order id". */
export const title = (name) => {
  const words = name.replace(/([a-z\d])([A-Z])/g, "$1 $2").replace(/[_-]+/g, " ").replace(/^ +| +$/g, "").toLowerCase();
  return visible(words.charAt(0).toUpperCase() + words.slice(1));
};

export const json = (value) => visible(JSON.stringify(value, null, 2) ?? "");

/** One value in a line. */
export const short = (value) => {
  if (value == null) return "none";
  if (value === true) return "yes";
  if (value === false) return "no";
  return visible(typeof value === "object" ? JSON.stringify(value) : value);
};

/** Arguments in a line: "A-17 · 200"; none of them changes the place of another. */
export const line = (input) =>
  (input && typeof input === "object" ? Object.values(input) : [input]).filter((value) => value !== "").flatMap((value, i) => [i ? " · " : "", h("bdi", null, short(value))]);

/** The exact arguments: a table, and a button that shows the JSON as it is. */
export const values = (input) => {
  const isTable = input && typeof input === "object" && !Array.isArray(input);
  if (!isTable) return raw(input);
  const table = h(
    "dl",
    { class: "values" },
    Object.entries(input).map(([key, value]) => h("div", null, h("dt", null, title(key)), h("dd", null, exact(value)))),
  );
  if (!Object.keys(input).length) table.append(h("p", { class: "muted" }, "No arguments."));
  const exactly = raw(input);
  exactly.hidden = true;
  const toggle = h("button", { type: "button", class: "quiet", "aria-expanded": "false" }, "Show as JSON");
  toggle.addEventListener("click", () => {
    exactly.hidden = !exactly.hidden;
    table.hidden = !exactly.hidden;
    toggle.textContent = exactly.hidden ? "Show as JSON" : "Show as a table";
    toggle.setAttribute("aria-expanded", String(!exactly.hidden));
  });
  return h("div", { class: "arguments" }, table, exactly, toggle);
};

const exact = (value) => {
  if (value === "") return h("span", { class: "muted" }, "(empty)");
  return value && typeof value === "object" ? raw(value) : short(value);
};

/** The JSON itself; a string in it cannot change the place of what is around it. */
export const raw = (value) => h("pre", { class: "json", tabindex: "0" }, isolated(json(value)));

const STRING = /("(?:[^"\\]|\\.)*")/;
const isolated = (source) => source.split(STRING).map((piece, i) => (i % 2 ? h("bdi", null, piece) : piece));
