/** Where one writes: Enter sends, Shift and Enter begin a line. While the agent is at work, one may say what a message is to do. */

const HEIGHT_MAX_PX = 200;

export const composer = (form, send) => {
  const input = form.elements.namedItem("words");
  const mode = form.elements.namedItem("mode");
  const button = form.querySelector("button");

  let enabled = true;

  const fit = () => {
    input.style.height = "auto";
    input.style.height = `${Math.min(input.scrollHeight, HEIGHT_MAX_PX)}px`;
    button.disabled = !enabled || !input.value.trim();
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const words = input.value.trim();
    if (!words || !enabled) return;
    input.value = "";
    fit();
    input.focus();
    send(words, (!mode.hidden && mode.value) || undefined);
    mode.value = "";
  });
  input.addEventListener("input", fit);
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  fit();

  return {
    isEmpty: () => !input.value.trim(),
    focus: () => input.focus(),
    /** Whether there is somebody to write to. @param {boolean} can */
    enable: (can) => {
      if (can === enabled) return;
      enabled = can;
      input.disabled = !can;
      fit();
    },
    /**
     * Which modes a message may name now: none, if there is nothing that it could steer or replace, or if what its
     * agent does anyway is all that it takes.
     *
     * @param {string[]} modes @param {string} [usual]
     */
    offer: (modes, usual) => {
      for (const each of mode.options) each.hidden = each.disabled = Boolean(each.value) && each.value !== usual && !modes.includes(each.value);
      mode.hidden = ![...mode.options].some(({ value, disabled }) => value && value !== usual && !disabled);
      if (mode.selectedOptions[0]?.disabled) mode.value = "";
    },
    /** In whose name one writes. @param {string} words */
    as: (words) => {
      input.placeholder = words;
    },
    /** Gives words back that could not be sent, unless others were begun. */
    restore: (words) => {
      input.value ||= words;
      fit();
    },
  };
};
