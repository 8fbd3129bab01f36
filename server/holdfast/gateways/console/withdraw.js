/** Taking back what was asked, as an operator: neither a yes nor a no. Two steps, for it cannot be taken back again. */

import { withdraw as tell } from "./client/commands.js";
import { h } from "./dom.js";
import { button, labelled } from "./fields.js";
import { isOperator } from "./people.js";

/** @param {any} first the interrupt @param {{principal: () => any, did: (answered: Promise<any>) => Promise<void>}} context */
export const withdrawal = (first, context) => {
  const reason = h("input", { type: "text", maxlength: "1000", autocomplete: "off" });
  const really = button("secondary", "Take it back", () => context.did(() => tell(context.session, first.id, reason.value.trim() || undefined)));
  const not = button("quiet", "Keep it", () => open(false));
  const node = h("div", { class: "withdraw", hidden: true }, labelled("Why nobody needs to answer it (the agent reads this)", reason), h("div", { class: "buttons" }, really, not));
  const toggle = button("quiet", "Take it back…", () => open(true));
  const open = (isOpen) => {
    node.hidden = !isOpen;
    toggle.hidden = isOpen;
    (isOpen ? reason : toggle).focus({ preventScroll: isOpen });
    if (isOpen) node.scrollIntoView({ block: "nearest" });
  };
  return { node, toggles: isOperator(context.principal()) ? [toggle] : [] };
};
