/** What the page asks over HTTP: lists, which need no following. */

import { link } from "./link.js";

const get = async (path) => {
  const response = await fetch(new URL(`v1/${path}`, document.baseURI), {
    headers: { authorization: `Bearer ${link.token}` },
  });
  if (!response.ok) throw new Error(`${response.status}`);
  return response.json();
};

/** The person's sessions, the last written first, and whether they wait for this person's answer. */
export const listSessions = async () => {
  const [{ sessions }, { interrupts }] = await Promise.all([get("sessions?limit=100"), get("interrupts?limit=100")]);
  const waiting = new Set(interrupts.map(({ session }) => session));
  return sessions.map(({ session, updatedAt, turn }) => ({ ...session, updatedAt, turn, waits: waiting.has(session.id) }));
};

/** The names of the agents with which a conversation can be started. */
export const listAgents = async () => {
  const { agents } = await get("agents");
  return agents.map((agent) => agent.name ?? agent);
};
