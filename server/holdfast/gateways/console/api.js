/** What the page asks over HTTP: lists, which need no following. */

import { link } from "./link.js";

/** @param {string} path @param {any} [body] @param {string} [method] */
const ask = async (path, body, method = body ? "POST" : "GET") => {
  const response = await fetch(new URL(`v1/${path}`, document.baseURI), {
    method,
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

/** The agents with which a conversation can be started, each with the modes of messages that it takes. */
export const listAgents = async () => (await ask("agents")).agents;

/** Whether this person is away: `{away, until?, deputy?}`. */
export const readAbsence = () => ask("me/away");

/** To be away until then; another may answer in one's place. @param {{until: number, deputy?: string}} absence */
export const goAway = (absence) => ask("me/away", absence, "PUT");

export const comeBack = () => ask("me/away", undefined, "DELETE");

/** The standing permissions that are in force and that this person may see: `{grants, next?}`. @param {string} [cursor] */
export const listGrants = (cursor) => ask(`grants?limit=50${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);

/** To have one say nothing any more. @param {string} id */
export const revokeGrant = (id) => ask(`grants/${encodeURIComponent(id)}`, undefined, "DELETE");

/** What a standing yes would have let through; gives nothing. @param {string} interrupt @param {any} grant */
export const previewGrant = (interrupt, grant) => ask(`interrupts/${encodeURIComponent(interrupt)}/grant`, { grant });
