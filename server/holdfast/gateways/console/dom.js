/** Elements, made and kept: no text ever becomes markup here. */

/**
 * An element. Properties that begin with "on" listen, `class` and `data-…` and `aria-…` are attributes; null and
 * false children are nothing.
 */
export const h = (tag, properties, ...children) => {
  const element = tag === "svg" || tag === "path" ? document.createElementNS(SVG, tag) : document.createElement(tag);
  set(element, properties ?? {});
  element.append(...children.flat().filter((child) => child || child === 0));
  return element;
};

const SVG = "http://www.w3.org/2000/svg";

/** Changes properties of an element; what is the same already is left alone. */
export const set = (element, properties) => {
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === false || value == null) element.removeAttribute(key);
    else if (element.getAttribute(key) !== `${value === true ? "" : value}`) element.setAttribute(key, value === true ? "" : value);
  }
  return element;
};

/** Changes an element's text, if it is another. */
export const text = (element, words) => {
  if (element.textContent !== words) element.textContent = words;
  return element;
};

/** A drawing of 24 by 24. */
export const icon = (name) =>
  h("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" }, h("path", { d: ICONS[name] }));

const ICONS = {
  ask: "M12 3 2.5 20h19L12 3zm0 6.5v5m0 2.6v.1",
  away: "M19.5 14.5A8 8 0 1 1 9.5 4.5a6.5 6.5 0 0 0 10 10z",
  check: "m5 12.5 4.5 4.5L19 7.5",
  clock: "M12 7v5l3 2m6-2a9 9 0 1 1-18 0 9 9 0 0 1 18 0z",
  cross: "m6.5 6.5 11 11m0-11-11 11",
  eye: "M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12zm9.5 2.8a2.8 2.8 0 1 0 0-5.6 2.8 2.8 0 0 0 0 5.6z",
  inbox: "M4 13.5 6.5 5h11L20 13.5V19H4v-5.5zm0 0h4.5l1.2 2.4h4.6l1.2-2.4H20",
  key: "M14.5 14a5 5 0 1 0-4.6-3.1L3.5 17.3v3.2h3.2l1.3-1.3v-2h2l2.2-2.2a5 5 0 0 0 2.3-1zm1.5-6.1v.1",
  menu: "M4 7h16M4 12h16M4 17h16",
  person: "M12 12.2a4.1 4.1 0 1 0 0-8.2 4.1 4.1 0 0 0 0 8.2zm-7.5 8.3c.8-3.6 3.8-5.4 7.5-5.4s6.7 1.8 7.5 5.4",
  phone: "M8 3h8a1.5 1.5 0 0 1 1.5 1.5v15A1.5 1.5 0 0 1 16 21H8a1.5 1.5 0 0 1-1.5-1.5v-15A1.5 1.5 0 0 1 8 3zm3 15h2",
  plus: "M12 5v14M5 12h14",
  send: "M12 19V5m-6 6 6-6 6 6",
  stop: "M7 7h10v10H7z",
  tool: "M13 3 5.5 13.5H11L10 21l8-11h-5.5z",
};

/**
 * Keeps the children of a parent as the items say: each is made once by its key, updated when the item is another,
 * moved only if it must be, so that a focus or a half-written answer stays where it is.
 *
 * @param {Element} parent of which all children are kept here
 * @param {{key: string}[]} items
 * @param {(item: any) => {node: Element, update?: (item: any) => void}} make
 */
export const keep = (parent, items, make) => {
  const before = kept.get(parent) ?? new Map();
  const now = new Map();
  kept.set(parent, now);
  let place = parent.firstChild;
  for (const item of items) {
    const known = before.get(item.key);
    const entry = known ?? make(item);
    if (known) known.update?.(item);
    now.set(item.key, entry);
    before.delete(item.key);
    while (place && [...before.values()].some(({ node }) => node === place)) place = place.nextSibling;
    if (place === entry.node) place = place.nextSibling;
    else parent.insertBefore(entry.node, place);
  }
  for (const { node, gone } of before.values()) {
    node.remove();
    gone?.();
  }
};

const kept = new WeakMap();
