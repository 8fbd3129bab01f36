/** The link to this page: its fragment brings a token and a session. The token is kept, and leaves the address bar. */

const TOKEN = "holdfast:token";

const inFragment = () => new URLSearchParams(location.hash.slice(1));

/** Takes the token out of the address; says whether there was one. */
const take = () => {
  const given = inFragment();
  const token = given.get("token");
  if (!token) return false;
  keepToken(token);
  given.delete("token");
  history.replaceState(null, "", `${location.pathname}${location.search}${given.size ? `#${given}` : ""}`);
  return true;
};

/** For this tab, and for the next one of this browser. */
const keepToken = (token) => {
  sessionStorage.setItem(TOKEN, token);
  localStorage.setItem(TOKEN, token);
};

export const link = {
  take,

  get token() {
    return sessionStorage.getItem(TOKEN) ?? localStorage.getItem(TOKEN);
  },

  /** The session that the address names. */
  get session() {
    return inFragment().get("session");
  },

  /** The agent with which a new conversation begins, if the address names one. */
  get agent() {
    return inFragment().get("agent");
  },

  /** Whether the address names the inbox. */
  get inbox() {
    return inFragment().has("inbox");
  },

  /** Names what is shown in the address, so that a reload comes back to it. @param {string | null} id @param {boolean} [isInbox] */
  show(id, isInbox = false) {
    const fragment = inFragment();
    fragment.delete("session");
    fragment.delete("inbox");
    if (id) fragment.set("session", id);
    if (isInbox) fragment.set("inbox", "");
    if (location.hash.slice(1) !== `${fragment}`) history.pushState(null, "", fragment.size ? `#${fragment}` : location.pathname);
  },

  /** The whole link, with which another device comes in as the same person, to the same session. */
  get whole() {
    const fragment = inFragment();
    fragment.set("token", this.token ?? "");
    return `${location.origin}${location.pathname}#${fragment}`;
  },

  /** Whether only this machine understands the address. */
  get isLocal() {
    return /^(localhost|127\.|\[::1\])/.test(location.hostname);
  },
};
