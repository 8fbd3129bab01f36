/** The standing permissions that are in force, and a way to end each of them. */

import { listGrants, revokeGrant } from "./api.js";
import { h, keep, text } from "./dom.js";
import { button } from "./fields.js";
import { nameOf } from "./people.js";
import { at } from "./time.js";
import { title } from "./values.js";
import { visible } from "./visible.js";

const WHERE = { session: "in one conversation", person: "for one person", agent: "with this agent" };

/**
 * @param {HTMLButtonElement} opener
 * @param {HTMLDialogElement} dialog
 * @param {{subject: () => string | undefined, say: (words: string) => void}} context
 */
export const grantsMenu = (opener, dialog, context) => {
  let grants = [];
  let more;
  const list = h("ul", { class: "grants" });
  const none = h("p", { class: "muted" }, "None. Who approves may say that the like of it always passes; then it stands here.");
  const note = h("p", { class: "note", role: "alert", hidden: true });
  const older = button("quiet", "Show more", () => load(more));
  const close = button("secondary", "Close", () => dialog.close());
  const heading = h("h2", { id: "grants-title", tabindex: "-1" }, "Standing permissions");
  dialog.append(heading, none, list, note, h("div", { class: "buttons" }, close, older));

  const show = () => {
    none.hidden = grants.length > 0;
    older.hidden = !more;
    keep(list, grants.map((grant) => ({ key: grant.id, grant })), one);
  };

  const failed = ({ message }) => {
    text(note, `That was not possible: ${visible(message)}`).hidden = false;
  };

  const load = async (cursor) => {
    note.hidden = true;
    try {
      const page = await listGrants(cursor);
      grants = [...(cursor ? grants : []), ...page.grants];
      more = page.next;
    } catch (error) {
      failed(error);
    }
    show();
  };

  const one = ({ grant }) => {
    const end = button("secondary small", "Revoke", async () => {
      end.disabled = true;
      try {
        await revokeGrant(grant.id);
      } catch (error) {
        end.disabled = false;
        return failed(error);
      }
      context.say("It is revoked: the next one is asked about.");
      grants = grants.filter(({ id }) => id !== grant.id);
      show();
      heading.focus();
    });
    end.setAttribute("aria-label", `Revoke: ${visible(grant.words)}`);
    const until = grant.until ? `until ${at(grant.until)}` : "as long as the conversation";
    const by = `Given by ${nameOf(grant.by, context.subject())}, ${at(grant.at)}; ${until}.`;
    const head = h("p", { class: "name" }, title(grant.tool), h("span", { class: "muted" }, ` ${WHERE[grant.scope]}`));
    return { node: h("li", null, h("div", null, head, h("p", null, visible(grant.words)), h("p", { class: "muted" }, by)), end) };
  };

  opener.addEventListener("click", async () => {
    await load();
    dialog.showModal();
  });
};
