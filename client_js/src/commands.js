/**
 * What less common devices ask: each is a line, so that a page pays for what it uses. The first argument is a
 * session, or the client where a command goes over several sessions.
 */

/** @typedef {import("./index.js").Client} Client */
/** @typedef {import("./index.js").Session} Session */
/** @typedef {import("./index.js").Answered} Answered */
/** @typedef {{session: string, interrupt: string, payload?: any, status?: "resolved" | "cancelled"}} Item */

/**
 * "I am looking at this": for 5 minutes, if not said otherwise. It keeps nobody from answering; while another's
 * claim lasts, it rejects with `conflict` and that claim in its `details`.
 *
 * @param {Session} session
 * @param {string} interrupt
 * @param {number} [forMs] at most an hour; 0 lets go
 */
export const claim = async (session, interrupt, forMs) => {
  await session.command({ type: "claim", interrupt, for_ms: forMs });
};

/**
 * Take back what was asked, as an operator: neither a yes nor a no. The agent reads the reason.
 *
 * @param {Session} session
 * @param {string} interrupt
 * @param {string} [reason]
 * @returns {Promise<Answered>}
 */
export const withdraw = async (session, interrupt, reason) => {
  const { outcome, decision } = await session.command({ type: "withdraw", interrupt, reason });
  return { outcome, decision };
};

/**
 * Answer several interrupts, of whichever sessions, at most 100: one result each, in their order, and what becomes of
 * one never touches the others.
 *
 * @param {Client} client
 * @param {Item[]} answers
 * @returns {Promise<(Partial<Answered> & {interrupt: string, error?: {code: string, message: string, retry: boolean, details?: any}})[]>}
 */
export const answerMany = async (client, answers) => {
  const items = answers.map((answer) => ({ status: "resolved", ...answer }));
  return (await client.command({ type: "answer_many", answers: items })).results;
};

/**
 * Change the session's shared document by JSON Patch (RFC 6902); with a version, only if that one stands, else it
 * rejects with `conflict` and the version that does in its `details`.
 *
 * @param {Session} session
 * @param {{op: string, path: string, value?: any, from?: string}[]} patch
 * @param {number} [version]
 * @returns {Promise<number>} its version now
 */
export const patchState = async (session, patch, version) =>
  (await session.command({ type: "patch", patch, version })).version;

/**
 * How far this device is with a client tool, in its own words; it claims the call for 30 seconds more.
 *
 * @param {Session} session
 * @param {string} interrupt
 * @param {any} progress at most 4 KiB, at most twice a second
 * @param {string} [device] the name that the device gave itself, if it has one
 */
export const progress = async (session, interrupt, progress, device) => {
  await session.command({ type: "progress", interrupt, progress, device });
};

/**
 * Let a turn go on that is ready to continue (`turn.open` is `["continue"]`); of many who do, one wins.
 *
 * @param {Session} session
 * @param {string} turn
 * @returns {Promise<{outcome: "won" | "lost", by: import("./state.js").By, at: number}>}
 */
export const continueTurn = async (session, turn) => {
  const { outcome, by, at } = await session.command({ type: "continue", turn });
  return { outcome, by, at };
};

/**
 * Say something afterwards about one message, operation or interrupt: an evaluation reads it, and nobody is told. Said
 * again about the same, it takes the place of what was said.
 *
 * @param {Session} session
 * @param {{message: string} | {operation: string} | {interrupt: string}} target
 * @param {{score?: number, labels?: string[], comment?: string, correction?: any}} said `score` from -1 (bad) to 1 (good)
 */
export const feedback = async (session, target, said) => {
  await session.command({ type: "feedback", target, ...said });
};

/**
 * Tell people something outside any turn, which needs no answer. Resolves to the session in which it stands.
 *
 * @param {Client} client
 * @param {string} text
 * @param {string[]} [to] whom webhooks and hooks are to give it; without it, oneself
 * @returns {Promise<string>}
 */
export const notify = async (client, text, to) => (await client.command({ type: "notify", text, to })).session;

/**
 * Speak in the agent's place from now on, as an operator. Resolves to the turn that is asked to stop, if one runs.
 *
 * @param {Session} session
 * @returns {Promise<string | undefined>}
 */
export const takeover = async (session) => (await session.command({ type: "takeover" })).turn;

/**
 * Let the agent speak again. Resolves to the turn that goes on or starts, if there is one.
 *
 * @param {Session} session
 * @param {boolean} [answered] what people wrote meanwhile needs no turn any more
 * @returns {Promise<string | undefined>}
 */
export const handback = async (session, answered) => (await session.command({ type: "handback", answered })).turn;

/**
 * Show another branch to everybody, and speak on it from now on; `""` is the one on which the session began. It is a
 * `conflict` while a turn runs or waits.
 *
 * @param {Session} session
 * @param {string} branch
 */
export const branch = async (session, branch) => {
  await session.command({ type: "branch", branch });
};

/**
 * What stands in one place, oldest first: the turn that was there and those that replaced it, each with the branch that
 * shows it. "‹ 2/3 ›" is `versions(snapshot.session, snapshot.turns[session.turnOf(id)])`, where `id` is a message's.
 *
 * @param {import("./state.js").SessionInfo | undefined} info
 * @param {Pick<import("./state.js").Turn, "id" | "branch">} turn
 * @returns {{turn: string, branch: string}[]}
 */
export const versions = (info, turn) => {
  const known = info?.branches ?? [];
  const { parent, before } = known.find(({ id }) => id === turn.id) ?? { parent: turn.branch ?? "", before: turn.id };
  const later = known.filter((own) => own.parent === parent && own.before === before);
  return [{ turn: before, branch: parent }, ...later.map(({ id }) => ({ turn: id, branch: id }))];
};
