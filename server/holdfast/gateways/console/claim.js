/** "I am looking at this": who is, until when, and the button that says so. It keeps nobody from answering. */

import { claim as tell } from "./client/commands.js";
import { button } from "./fields.js";
import { h, icon, set, text } from "./dom.js";
import { capital, nameOf } from "./people.js";
import { everySecond } from "./time.js";

/** @param {any} first the interrupt @param {{session: any, subject: () => string | undefined, tell: (words: string) => void}} context */
export const claim = (first, context) => {
  let interrupt = first;
  const words = h("span", null);
  const node = h("p", { class: "claim", hidden: true }, icon("eye"), words);
  const toggle = button("quiet", "I’m looking at this", () => take());

  const standing = () => (interrupt.claim && interrupt.claim.until > Date.now() ? interrupt.claim : undefined);
  const isOwn = () => standing()?.by.id === context.subject();

  const whose = (by) => (by.id === context.subject() ? "your" : `${nameOf(by)}’s`);
  const looks = (by) => (isOwn() ? "You are looking at this. Everybody sees it." : `${capital(nameOf(by))} is looking at this.`);

  const take = async () => {
    set(toggle, { disabled: true });
    await tell(context.session, interrupt.id, isOwn() ? 0 : undefined).catch(({ details, message }) => {
      context.tell(details?.claim ? `${capital(nameOf(details.claim.by))} was first.` : message);
    });
    set(toggle, { disabled: null });
  };

  const show = () => {
    const now = standing();
    node.hidden = !now;
    if (now) text(words, interrupt.kind === "client_tool" ? `${capital(whose(now.by))} device is doing this.` : looks(now.by));
    text(toggle, isOwn() ? "Let go" : "I’m looking at this");
    toggle.hidden = interrupt.kind === "client_tool" || !interrupt.canAnswer || Boolean(now && !isOwn());
  };

  queueMicrotask(() => everySecond(node, show)); // a claim ends by itself, without an event
  show();
  return {
    node,
    toggle,
    update: (next) => {
      interrupt = next;
      show();
    },
  };
};
