/** The devices that are here: a small circle each, and how many. */

import { h } from "./dom.js";
import { visible } from "./visible.js";

const SHOWN_MAX = 4;

export const presence = (node, devices) => {
  const names = devices.map(({ subject, name, device }) => [name ?? subject, device].filter(Boolean).map(visible).join(", "));
  const label = devices.length === 1 ? "1 device here" : `${devices.length} devices here`;
  node.hidden = !devices.length;
  node.title = names.join("\n");
  node.replaceChildren(
    ...devices.slice(0, SHOWN_MAX).map(({ subject, name }) => h("span", { class: "avatar", "data-hue": hue(subject), "aria-hidden": "true" }, initial(name ?? subject))),
    h("span", { class: "count" }, devices.length > SHOWN_MAX ? `+${devices.length - SHOWN_MAX}` : "", h("span", { class: "hidden" }, `${label}: ${names.join("; ")}`)),
  );
};

const initial = (name) => [...name][0]?.toUpperCase() ?? "?";
const HUES = 6;
const hue = (subject) => [...subject].reduce((sum, letter) => sum + letter.codePointAt(0), 0) % HUES;

/** How others see this device. */
export const ownDevice = () => {
  const agent = navigator.userAgent;
  const browser = agent.match(/(Firefox|Edg|Chrome|Safari)\//)?.[1].replace("Edg", "Edge") ?? "Browser";
  const machine = agent.match(/iPhone|iPad|Android|Windows|Mac|Linux/)?.[0] ?? "";
  return machine ? `${browser} on ${machine}` : browser;
};
