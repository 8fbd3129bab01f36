/** "Always allow this": a standing yes that is given with an approval, tried on the past before it is given. */

import { previewGrant } from "./api.js";
import { standing } from "./arguments.js";
import { h, text } from "./dom.js";
import { button, labelled } from "./fields.js";
import { raw, title } from "./values.js";
import { visible } from "./visible.js";

const DAY_MS = 86_400_000;

const SCOPES = [
  ["session", "In this conversation"],
  ["person", "For whoever caused this, in any conversation"],
  ["agent", "For everybody, in any conversation with this agent"],
];
const TERMS = [
  ["", "Until it is revoked, or ends by itself"],
  [1, "For a day"],
  [7, "For a week"],
];

const select = (options) => h("select", null, options.map(([value, words]) => h("option", { value }, words)));

/** Whether this may be granted: a hint for what to show, the server decides. */
const may = ({ kind, grantable, approvers }) => kind === "approval" && grantable !== false && !(approvers?.quorum > 1);

/** What one may say of the arguments: exactly these, up to a number, any. */
const conditions = (input) => {
  const numbers = Object.entries(Object(input)).filter(([, value]) => typeof value === "number");
  return [
    ["exactly", "Exactly these arguments"],
    ...numbers.map(([name, value]) => [`lte ${name}`, `${title(name)} up to ${value}, and any other arguments`]),
    ["any", "Any arguments"],
  ];
};

/**
 * @param {any} first the interrupt
 * @param {{answer: (payload: any) => void}} context
 */
export const grant = (first, { answer }) => {
  if (!may(first)) return { node: "", toggles: [], update: () => {} };
  let interrupt = first;
  let latest = 0;
  const { input } = standing(first);
  const scope = select(SCOPES);
  const what = select(conditions(input));
  const term = select(TERMS);
  const preview = h("p", { role: "status" });
  const calls = h("details", { hidden: true });
  const give = button("primary", "Approve, and always allow this", () => answer({ approved: true, inputHash: standing(interrupt).inputHash, grant: wish() }));
  const not = button("quiet", "Not now", () => open(false));
  const fields = [labelled("Where", scope), labelled("With which arguments", what), labelled("How long", term)];
  const node = h("div", { class: "editor", hidden: true }, h("p", { class: "label" }, "Always allow this"), h("div", { class: "fields" }, fields), preview, calls, h("div", { class: "buttons" }, give, not));
  const toggle = button("quiet", "Always allow…", () => open(true));

  const wish = () => {
    const [kind, name] = what.value.split(/ (.*)/s);
    const covered = { any: {}, lte: { [name]: { lte: standing(interrupt).input?.[name] } } }[kind];
    return { scope: scope.value, input: covered, until: term.value ? Date.now() + term.value * DAY_MS : undefined };
  };

  /** Says what it would have let through, before anybody gives it. */
  const look = async () => {
    const own = ++latest;
    give.disabled = true;
    const found = await previewGrant(interrupt.id, wish()).catch(({ message }) => ({ refused: message }));
    if (own !== latest) return;
    const { words, matches = [], refused } = found;
    text(preview, visible(refused ?? words));
    calls.hidden = !matches.length;
    calls.replaceChildren(h("summary", null, "The calls so far that it covers"), ...matches.map((call) => raw(call.input)));
    give.disabled = Boolean(refused);
  };

  const open = (isOpen) => {
    node.hidden = !isOpen;
    toggle.hidden = isOpen;
    if (isOpen) look();
    (isOpen ? scope : toggle).focus({ preventScroll: isOpen });
    if (isOpen) node.scrollIntoView({ block: "nearest" });
  };

  for (const each of [scope, what, term]) each.addEventListener("change", look);
  return {
    node,
    toggles: [toggle],
    update: (next) => {
      interrupt = next;
      const mayNow = next.canAnswer && !next.edited;
      toggle.hidden = !mayNow || !node.hidden;
      if (!mayNow) node.hidden = true;
    },
  };
};
