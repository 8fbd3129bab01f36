/** The state that the devices and the agent of a session share: a small document, shown as it is. */

import { h, set, text } from "./dom.js";
import { raw } from "./values.js";

/** @param {HTMLElement} node a `details` */
export const sharedState = (node) => {
  const label = h("summary", null);
  const body = h("div", null);
  node.append(label, body);
  let shown;
  return ({ state, stateVersion = 0 }) => {
    node.hidden = !stateVersion;
    if (state === shown) return;
    shown = state;
    text(label, `Shared state, version ${stateVersion}`);
    set(node, { "data-version": stateVersion });
    body.replaceChildren(stateVersion ? raw(state) : "");
  };
};
