/** Looks now and then for conversations that others began, or that wait for an answer; only while the page is seen. */

const EVERY_MS = 2_000;

export const watch = (look) => {
  let timer = 0;
  const again = async () => {
    clearTimeout(timer);
    if (!document.hidden && navigator.onLine) await look();
    timer = setTimeout(again, EVERY_MS);
  };
  document.addEventListener("visibilitychange", again);
  return again();
};
