/** Who speaks in the agent's place; and, for operators, the ways to begin and to end it. */

import { handback, takeover as take } from "./client/commands.js";
import { h, icon, set, text } from "./dom.js";
import { button } from "./fields.js";
import { capital, isOperator, nameOf } from "./people.js";
import { at } from "./time.js";
import { title } from "./values.js";

/**
 * @param {HTMLElement} node the line that says so
 * @param {HTMLElement} begin the button that begins it
 * @param {{session: any, principal: () => any, subject: () => string | undefined, failed: (error: Error) => void}} context
 */
export const takeover = (node, begin, context) => {
  const words = h("span", null);
  const back = button("secondary small", "Hand back", () => end());
  const answered = button("quiet", "All is answered", () => end(true)); // then nothing that was written starts a turn
  node.append(icon("person"), words, h("span", { class: "grow" }), answered, back);
  begin.prepend(icon("person"));
  begin.addEventListener("click", () => take(context.session).catch(context.failed));
  const end = (isAnswered) => handback(context.session, isAnswered).catch(context.failed);

  return ({ session }, queued) => {
    const now = session?.takeover;
    const may = isOperator(context.principal());
    begin.hidden = !may || !session?.agent || now?.by.id === context.subject();
    node.hidden = !now;
    if (!now) return;
    const isOwn = now.by.id === context.subject();
    text(words, `${capital(nameOf(now.by, context.subject()))} ${isOwn ? "speak" : "speaks"} in ${title(session.agent)}’s place.`);
    set(words, { title: `since ${at(now.at)}` });
    for (const each of [back, answered]) set(each, { hidden: !may });
    if (!queued) answered.hidden = true;
  };
};
