/** Instants and durations in words. */

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const DAY_MS = 86_400_000;

/** "14:02"; with the day, if it was another. */
export const at = (ms) => (new Date(ms).toDateString() === new Date().toDateString() ? clock : day).format(ms);

/** "3 min ago", in a list. */
export const ago = (ms) => {
  const minutes = Math.floor((Date.now() - ms) / 60_000);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  return Date.now() - ms < DAY_MS ? at(ms) : day.format(ms);
};

/** "59:12", "3 h 20 min", "6 days". */
export const remaining = (ms) => {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const [days, hours, minutes] = [seconds / 86_400, seconds / 3600, seconds / 60].map(Math.floor);
  if (days > 1) return `${days} days`;
  if (hours) return `${hours} h ${minutes % 60} min`;
  return `${minutes}:${String(seconds % 60).padStart(2, "0")}`;
};

const SECOND_MS = 1000;
const ticking = new Set();
let timer;

/** Calls `tick` now and every second, while `node` is in the page. */
export const everySecond = (node, tick) => {
  tick();
  ticking.add([node, tick]);
  timer ??= setInterval(beat, SECOND_MS);
};

const beat = () => {
  for (const entry of ticking) {
    if (entry[0].isConnected) entry[1]();
    else ticking.delete(entry);
  }
  if (!ticking.size) timer = clearInterval(timer);
};
