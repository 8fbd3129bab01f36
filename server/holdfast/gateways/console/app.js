/** The page: one session at a time, put together from its parts. */

import { connect } from "./client/index.js";
import { announcer } from "./announcer.js";
import { listAgents } from "./api.js";
import { continueTurn } from "./client/commands.js";
import { awayMenu } from "./away.js";
import { composer } from "./composer.js";
import { h, icon, set, text } from "./dom.js";
import { grantsMenu } from "./grants.js";
import { inbox } from "./inbox.js";
import { link } from "./link.js";
import { capital, nameOf as nameOfPerson } from "./people.js";
import { ownDevice, presence } from "./presence.js";
import { urgent } from "./review.js";
import { sharedState } from "./shared.js";
import { sessionList } from "./sessions.js";
import { takeover } from "./takeover.js";
import { thread } from "./thread.js";
import { turnState } from "./turn.js";
import { title } from "./values.js";
import { start, visible } from "./visible.js";
import { watch } from "./watch.js";

const $ = (id) => document.getElementById(id);
const TITLE_MAX = 60;
const ALL_MODES = ["queue", "steer", "replace"]; // of an agent of which nothing is known

link.take();
const client = connect({
  url: new URL(".", document.baseURI).href,
  token: () => link.token ?? "",
  device: ownDevice(),
  storage: localStorage,
  onchange: (live, error) => {
    line = { live, error };
    show();
  },
});

/** The connection, whichever session is shown. */
let line = { live: true };

/** The agents that there are, by name. */
const agents = new Map();

/** What is open: a session, or null while a conversation is about to begin. */
let session = null;
let isInbox = false;
let leave = () => {};
let view = null;
/** Conversations that were there when somebody chose to begin a new one: only a later one may take its place. */
let passed;
const pass = () => {
  passed = new Set(sessions.all().map(({ id }) => id));
};

const context = {
  client,
  open: (id) => open(id),
  nameOf: (id) => nameOf(listed(id)),
  askerOf: (id) => title(listed(id)?.agent || "somebody"),
  get session() {
    return session;
  },
  principal: () => client.principal,
  subject: () => client.principal?.subject,
  asker: () => title(session?.getSnapshot().session?.agent || "somebody"),
  say: (words) => announce.say(words),
};
const listed = (id) => sessions.all().find((each) => each.id === id);
const announce = announcer($("announcements"), context.subject);

// ---------------------------------------------------------------- the session that is shown

const open = (id, toInbox = false) => {
  leave();
  asks.leave();
  session = id ? client.session(id) : null;
  isInbox = toInbox;
  view = thread(freshMessages(), $("scroller"), context);
  announce.reset();
  link.show(id, isInbox);
  sessions.select(id);
  drawer(false);
  $("welcome").hidden = Boolean(id) || isInbox;
  $("inbox").hidden = !isInbox;
  $("below").hidden = isInbox;
  set($("open-inbox"), { "aria-current": isInbox ? "page" : null });
  leave = session ? session.subscribe(show) : () => {};
  show();
  view.toEnd();
};

/** An empty list: what another session showed must not be mixed with this one's. */
const freshMessages = () => {
  const list = h("div", { id: "messages" });
  $("messages").replaceWith(list);
  return list;
};

const NOTHING = { messages: [], unsent: [], interrupts: [], turns: {}, devices: [], connection: "live" };

const show = () => {
  const snapshot = session?.getSnapshot() ?? NOTHING;
  const name = isInbox ? "Inbox" : session ? nameOf(snapshot.session) : "New conversation";
  text($("title"), name);
  const count = Math.max(waiting(snapshot), inboxed().length);
  document.title = count ? `(${count}) ${name}` : `${name} · Holdfast`;
  view.show(snapshot);
  showState(snapshot);
  showTurn(snapshot);
  const { takeover } = snapshot.session ?? {};
  showTakeover(snapshot, Object.values(snapshot.turns).some(({ status }) => status === "queued"));
  presence($("devices"), snapshot.devices);
  away.show();
  $("older").hidden = !snapshot.hasOlder;
  const error = snapshot.error ?? line.error;
  banner(line.live ? snapshot.connection : "reconnecting", error);
  write.enable(!error);
  const { modes = ALL_MODES, onMessage } = agents.get(snapshot.session?.agent) ?? {};
  write.offer(!takeover && snapshot.turn && snapshot.turn.status !== "finished" ? modes : [], onMessage);
  write.as(takeover?.by.id === context.subject() ? `Write in ${title(snapshot.session.agent)}’s place` : "Write a message");
  announce.look(snapshot);
};

/** A conversation's title, or whom it is with; a gate from outside has neither. */
const nameOf = (info) => visible(info?.title ?? "") || title(info?.agent || "Conversation");

const waiting = ({ interrupts }) => urgent(interrupts).filter(({ decision, canAnswer }) => !decision && canAnswer).length;

/** What waits for this person, in whatever session. */
const inboxed = () => urgent(client.inbox.getSnapshot().interrupts);

const banner = (connection, error) => {
  const words = bannerWords(connection, error);
  $("banner").hidden = !words;
  text($("banner"), words);
  set($("banner"), { "data-kind": error ? "bad" : "quiet" });
};

const bannerWords = (connection, error) => {
  if (!link.token) return "This page opens with a link that holds a token: the terminal shows it when Holdfast starts.";
  if (error?.code === "unauthenticated") return "This link is not valid any more. Please open a new one.";
  if (error) return `${session ? "This conversation cannot be shown" : "The connection has ended"}: ${visible(error.message)}`;
  if (!navigator.onLine) return "You are offline. What you answer is sent when you are back.";
  return connection === "reconnecting" ? "The connection was lost. Trying again…" : "";
};

// ---------------------------------------------------------------- what can be done

const write = composer($("composer"), async (words, mode) => {
  try {
    if (session) await said(session.send(words, { mode }));
    else await begin(words);
  } catch (error) {
    write.restore(words);
    failed(error);
  }
});

/** What was asked for did not come about. */
const failed = ({ message }) => {
  const words = `That was not done: ${visible(message)}`;
  announce.say(words);
  text($("banner"), words);
  $("banner").hidden = false;
};

const said = (sending) => {
  requestAnimationFrame(() => view.toEnd());
  return sending;
};

const begin = async (words) => {
  await ready;
  const agent = $("agent").value;
  if (!agent) throw new Error("there is no agent to talk to");
  const started = await client.start(agent, { message: words, title: start(words, TITLE_MAX) });
  open(started.id);
  sessions.refresh();
};

const jump = () => {
  const card = document.querySelector(".card:not(.closed, .review)");
  card?.scrollIntoView({ block: "center", behavior: "smooth" });
  card?.querySelector("h2")?.focus({ preventScroll: true });
};

const showTurn = turnState($("turn"), {
  stop: () => session.cancel().catch(() => {}),
  jump,
  goOn: (turn) => continueTurn(session, turn).then(({ outcome, by }) => outcome === "lost" && announce.say(`${capital(nameOfPerson(by, context.subject()))} was first.`), failed),
});

const showTakeover = takeover($("takeover"), $("take-over"), {
  get session() {
    return session;
  },
  principal: context.principal,
  subject: context.subject,
  failed: (error) => failed(error),
});
const showState = sharedState($("shared"));
const asks = inbox($("inbox"), context);
grantsMenu($("open-grants"), $("grants"), context);
const away = awayMenu($("open-away"), $("away"), context);
const waitingSessions = () => new Set(inboxed().map((each) => each.session));
const sessions = sessionList($("session-list"), $("no-sessions"), open, waitingSessions);

client.inbox.subscribe(() => {
  const { length } = inboxed();
  $("inbox-count").hidden = !length;
  text($("inbox-count"), `${length}`);
  set($("menu"), { "data-waits": length ? "" : null, "aria-label": length ? `Conversations, ${length} waiting for you` : "Conversations" });
  sessions.show();
  asks.show();
  show();
});

// ---------------------------------------------------------------- around it

/** On a small screen the list of conversations lies over the page. @param {boolean} isOpen */
const drawer = (isOpen) => {
  set($("menu"), { "aria-expanded": String(isOpen) });
  document.body.toggleAttribute("data-drawer", isOpen);
  $("shade").hidden = !isOpen;
  if (isOpen) $("new").focus();
};

$("menu").append(icon("menu"));
$("share").prepend(icon("phone"));
$("new").prepend(icon("plus"));
$("open-inbox").prepend(icon("inbox"));
$("open-away").prepend(icon("away"));
$("open-grants").prepend(icon("key"));
$("open-inbox").addEventListener("click", () => {
  open(null, true);
  asks.focus();
});
document.querySelector(".round").append(icon("send"));
$("menu").addEventListener("click", () => drawer($("menu").getAttribute("aria-expanded") !== "true"));
$("shade").addEventListener("click", () => drawer(false));
document.addEventListener("keydown", ({ key }) => {
  if (key !== "Escape" || $("shade").hidden) return;
  drawer(false);
  $("menu").focus();
});
$("skip").addEventListener("click", (event) => {
  event.preventDefault(); // the fragment is the session's
  write.focus();
});
$("new").addEventListener("click", () => {
  pass();
  open(null);
  write.focus();
});
$("older").addEventListener("click", () => session.loadOlder());
$("share").addEventListener("click", () => {
  $("phone-link").value = link.whole;
  $("phone-local").hidden = !link.isLocal;
  $("phone").showModal();
  $("phone-link").select();
});
$("phone-copy").addEventListener("click", async ({ target }) => {
  $("phone-link").select();
  // Without TLS there is no clipboard to write to: the old way still copies what is selected.
  await (navigator.clipboard?.writeText(link.whole) ?? document.execCommand("copy"));
  text(target, "Copied");
});
addEventListener("online", show);
addEventListener("offline", show);
addEventListener("popstate", () => {
  if (link.take()) location.reload(); // another link was opened in this tab: maybe another person
  else if (link.session !== (session?.id ?? null) || link.inbox !== isInbox) open(link.session, link.inbox);
});

/**
 * Who has opened the page and begun nothing is shown what goes on: a conversation begun on the laptop comes to the
 * phone by itself.
 */
const follow = () => {
  const live = sessions.all().find(({ id, turn }) => turn && !passed?.has(id));
  if (!session && !isInbox && write.isEmpty() && live) open(live.id);
};

const look = async () => {
  await Promise.all([sessions.refresh(), client.inbox.refresh(), away.refresh()]);
  follow();
};

/** Fills the list of conversations, and the choice of agents for a new one. */
const fill = async () => {
  const known = await sessions.refresh();
  for (const agent of await listAgents().catch(() => [])) agents.set(agent.name, agent);
  const names = [...new Set([link.agent, ...agents.keys(), ...known.map(({ agent }) => agent)].filter(Boolean))];
  $("agent").append(...names.map((name) => h("option", { value: name }, title(name))));
  $("agents").hidden = names.length < 2;
  show(); // with the modes that its agent takes
};

open(link.session, link.inbox);
const ready = fill().then(() => {
  if (passed) pass(); // it was chosen before the list was there
  follow();
  watch(look);
});
