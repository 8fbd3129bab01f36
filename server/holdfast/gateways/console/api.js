/** What the page asks over HTTP: lists, which need no following. */

import { link } from "./link.js";

/** @param {string} path @param {any} [body] of a POST */
const ask = async (path, body) => {
  const response = await fetch(new URL(`v1/${path}`, document.baseURI), {
    method: body ? "POST" : "GET",
    body: body && JSON.stringify(body),
    headers: { authorization: `Bearer ${link.token}`, ...(body && { "content-type": "application/json" }) },
  });
  const reply = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(reply.detail ?? `${response.status}`);
  return reply;
};

/** The person's sessions, the last written first. */
export const listSessions = async () => {
  const { sessions } = await ask("sessions?limit=100");
  return sessions.map(({ session, updatedAt, turn }) => ({ ...session, updatedAt, turn }));
};

/** An interrupt with what became of it: for what is not in the inbox any more. @param {string} id */
export const readInterrupt = (id) => ask(`interrupts/${encodeURIComponent(id)}`);

/** The names of the agents with which a conversation can be started. */
export const listAgents = async () => {
  const { agents } = await ask("agents");
  return agents.map((agent) => agent.name ?? agent);
};

/** What a standing yes would have let through; gives nothing. @param {string} interrupt @param {any} grant */
export const previewGrant = (interrupt, grant) => ask(`interrupts/${encodeURIComponent(interrupt)}/grant`, { grant });
