/** "I'm away": until when, and who may answer meanwhile. */

import { comeBack, goAway, readAbsence } from "./api.js";
import { h, text } from "./dom.js";
import { button, labelled } from "./fields.js";
import { together } from "./people.js";
import { at, everySecond } from "./time.js";
import { visible } from "./visible.js";

const AWAY_MAX_MS = 90 * 86_400_000; // what the server takes
const MORNING_H = 9; // of tomorrow: what is offered first

/** An instant as the field for it wants it: by this device's clock, to the minute. @param {Date} instant */
const local = (instant) => new Date(instant.getTime() - instant.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);

const tomorrow = () => {
  const morning = new Date();
  morning.setDate(morning.getDate() + 1);
  morning.setHours(MORNING_H, 0, 0, 0);
  return morning;
};

/**
 * @param {HTMLButtonElement} opener says how it stands
 * @param {HTMLDialogElement} dialog
 * @param {{principal: () => any, say: (words: string) => void}} context
 */
export const awayMenu = (opener, dialog, context) => {
  let absence = { away: false };
  const until = h("input", { type: "datetime-local", required: true });
  const deputy = h("input", { type: "text", autocomplete: "off", maxlength: "200", placeholder: "nobody" });
  const lent = h("p", { class: "muted" }, "A deputy answers with your rights of now, and everybody sees in whose place. Without one, what only you could answer goes to whoever is asked next.");
  const standsIn = h("p", null);
  const note = h("p", { class: "note", role: "alert", hidden: true });
  const leave = button("primary", "I’m away");
  const back = button("secondary", "I’m back", () => change(comeBack(), "You are back."));
  const close = button("quiet", "Close", () => dialog.close());
  const form = h("form", null, labelled("Until", until), labelled("Who answers for you", deputy), lent, note, h("div", { class: "buttons" }, leave, back, close));
  dialog.append(h("h2", { id: "away-title" }, "When you are away"), standsIn, form);

  const isAway = () => absence.away && absence.until > Date.now();

  const show = () => {
    const { can = [], actor, deputyFor = [] } = context.principal() ?? {};
    opener.hidden = !can.includes("answer") || Boolean(actor);
    text(opener.lastElementChild, isAway() ? `Away until ${at(absence.until)}` : "I’m away…");
    opener.toggleAttribute("data-away", isAway());
    text(leave, isAway() ? "Change" : "I’m away");
    back.hidden = !isAway();
    standsIn.hidden = !deputyFor.length;
    text(standsIn, `You answer for ${together(deputyFor.map(({ subject }) => visible(subject)))} at the moment.`);
  };

  /** @param {Promise<any>} asked @param {string} said */
  const change = async (asked, said) => {
    try {
      absence = await asked;
      context.say(said);
      dialog.close();
    } catch (error) {
      text(note, `That was not possible: ${visible(error.message)}`).hidden = false;
    }
    show();
  };

  const refresh = async () => {
    absence = await readAbsence().catch(() => absence);
    show();
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const instant = new Date(until.value).getTime();
    change(goAway({ until: instant, deputy: deputy.value.trim() || undefined }), `You are away until ${at(instant)}.`);
  });
  opener.addEventListener("click", async () => {
    note.hidden = true;
    await refresh();
    until.min = local(new Date());
    until.max = local(new Date(Date.now() + AWAY_MAX_MS));
    until.value = local(isAway() ? new Date(absence.until) : tomorrow());
    deputy.value = (isAway() && absence.deputy) || "";
    dialog.showModal();
  });
  everySecond(opener, () => opener.hasAttribute("data-away") && !isAway() && show());
  refresh();
  return { show, refresh };
};
