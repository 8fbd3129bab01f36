/** Saying something once more, beside what was said: one's own words edited, the agent's answer anew, and "‹ 2/3 ›". */

import { branch, versions } from "./client/commands.js";
import { h, set, text } from "./dom.js";
import { button } from "./fields.js";

/**
 * @param {{session: any, say: (words: string) => void}} context
 */
export const again = (context) => {
  const { session } = context;
  let now;
  const failed = (error) => context.say(`That was not possible: ${error.message}`);
  const show = (step) => branch(session, now.versions[now.at + step].branch).catch(failed);
  const send = (words) => session.send(words, { replaces: now.message.id }).catch(failed);

  const earlier = set(button("quiet", "‹", () => show(-1)), { "aria-label": "Earlier version" });
  const later = set(button("quiet", "›", () => show(1)), { "aria-label": "Later version" });
  const count = h("span", null);
  const pick = h("span", { class: "versions" }, earlier, count, later);
  const anew = button("quiet", "Answer again", () => send(null));
  const edit = button("quiet", "Edit", () => open(true));
  const words = h("textarea", { "aria-label": "Your message", rows: "3" });
  const form = h("form", { class: "edit" }, words, h("div", null,
    button("small", "Send again"), button("quiet", "Never mind", () => open(false))));
  const node = h("div", { class: "again" }, pick, anew, edit);

  const open = (is) => {
    if (is) node.append(form);
    else form.remove();
    edit.hidden = is;
    if (is) words.value = textOf(now.message);
    (is ? words : edit).focus();
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!words.value.trim()) return;
    open(false);
    send(words.value.trim());
  });

  /** @param {{message: any, info: any, turn: any, isOwn: boolean, isIdle: boolean}} item */
  const update = ({ message, info, turn, isOwn, isIdle }) => {
    const found = turn ? versions(info, turn) : [];
    now = { message, versions: found, at: found.findIndex((each) => each.turn === turn?.id) };
    pick.hidden = found.length < 2;
    text(count, `${now.at + 1}/${found.length}`);
    earlier.disabled = !isIdle || now.at < 1;
    later.disabled = !isIdle || now.at >= found.length - 1;
    anew.hidden = !turn || !isIdle || message.role === "user";
    if (!form.isConnected) edit.hidden = !isOwn || !isIdle || !textOf(message);
    node.hidden = [pick, anew, edit, form].every((part) => part.hidden || (part === form && !part.isConnected));
  };
  return { node, update };
};

const textOf = ({ parts }) => parts.filter(({ type }) => type === "text").map((part) => part.text).join("\n\n");
