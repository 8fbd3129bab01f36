/** Where one writes: Enter sends, Shift and Enter begin a line. */

const HEIGHT_MAX_PX = 200;

export const composer = (form, send) => {
  const input = form.elements.namedItem("words");
  const button = form.querySelector("button");

  const fit = () => {
    input.style.height = "auto";
    input.style.height = `${Math.min(input.scrollHeight, HEIGHT_MAX_PX)}px`;
    button.disabled = !input.value.trim();
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const words = input.value.trim();
    if (!words) return;
    input.value = "";
    fit();
    input.focus();
    send(words);
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
    /** Gives words back that could not be sent, unless others were begun. */
    restore: (words) => {
      input.value ||= words;
      fit();
    },
  };
};
