/** What the page asks over HTTP: lists, which need no following. */

import { link } from "./link.js";

const get = async (path) => {
  const response = await fetch(new URL(`v1/${path}`, document.baseURI), {
    headers: { authorization: `Bearer ${link.token}` },
  });
  if (!response.ok) throw new Error(`${response.status}`);
  return response.json();
};

/** The person's sessions, the last written first. */
export const listSessions = async () => {
  const { sessions } = await get("sessions?limit=100");
  return sessions.map(({ session, updatedAt, turn }) => ({ ...session, updatedAt, turn }));
};

/** An interrupt with what became of it: for what is not in the inbox any more. @param {string} id */
export const readInterrupt = (id) => get(`interrupts/${encodeURIComponent(id)}`);

/** The names of the agents with which a conversation can be started. */
export const listAgents = async () => {
  const { agents } = await get("agents");
  return agents.map((agent) => agent.name ?? agent);
};
