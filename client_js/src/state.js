/** What a device has of a session: its log, folded by the rules in `folding.js`. */

/** @typedef {import("./messages.js").Message} Message */

/**
 * @typedef {object} Placed a message in its place
 * @property {Message} message
 * @property {number} first the position where it began: messages are ordered by it
 * @property {number} at the instant of its last change, in milliseconds
 * @property {string} [turn] the turn that it causes (a person's) or that writes it (the agent's)
 */

/**
 * @typedef {object} Turn one run of the agent
 * @property {string} id
 * @property {string} agent
 * @property {"queued" | "running" | "waiting" | "blocked" | "finished"} status
 * @property {number} first the position where it was first heard of
 * @property {string} [branch] the branch on which it speaks; absent: the one on which the session began
 * @property {string} [message] the agent's message that it writes
 * @property {string[]} [open] while it waits: what it waits for
 * @property {any} [progress]
 * @property {"completed" | "failed" | "cancelled"} [end]
 * @property {any} [result]
 * @property {{code: string, message: string}} [error]
 * @property {By} [by]
 * @property {number} [startedAt]
 * @property {number} [finishedAt]
 */

/** @typedef {{kind: "person" | "policy" | "deadline" | "system", id: string, name?: string, actor?: string, deputyFor?: string}} By */

/** @typedef {{by: By, approved: boolean, at: number, reason?: string, inputHash?: string}} Vote one of several that are needed */

/**
 * @typedef {object} Decision the one answer that won
 * @property {"resolved" | "cancelled" | "expired" | "withdrawn" | "superseded"} status
 * @property {any} payload
 * @property {By} by
 * @property {string} via
 * @property {number} at
 * @property {string | null} [ref]
 */

/**
 * @typedef {object} Interrupt a pending thing only a human or a device can settle; closed once it has a decision
 * @property {string} id
 * @property {"approval" | "client_tool" | "question" | "form" | "gate" | "in_doubt"} kind
 * @property {string} session
 * @property {string} turn
 * @property {string} reason
 * @property {string} [message]
 * @property {string} [toolCallId]
 * @property {string} [toolName]
 * @property {any} [input]
 * @property {string} [inputHash]
 * @property {any} [responseSchema]
 * @property {string} [url] of a form: the page where it is filled in
 * @property {number} [openedAt]
 * @property {number} [expiresAt]
 * @property {string} [onExpiry]
 * @property {{roles?: string[], subjects?: string[], quorum?: number, conflict?: string, notRequester?: boolean, requireReason?: boolean, members?: boolean}} [approvers]
 * @property {string} [requester] who may not answer, with `approvers.notRequester`
 * @property {boolean} [editable]
 * @property {{by: By, at: number, until: number, device?: string, connection?: string} | null} [claim] "I am looking at this", which means nothing after `until`; of a client tool: which device does it, until an event says otherwise
 * @property {any} [progress] how far that device is, in its own words
 * @property {boolean} [autoContinue] false: when it is settled, its turn goes on only after a `continue`
 * @property {Vote[]} [votes]
 * @property {any[]} [ladder] what happens while nobody decides; `climbed` of its rungs are done
 * @property {number} [climbed]
 * @property {any[]} [escalations] what was done so far
 * @property {"nobody_known" | "all_away"} [unroutable] nobody of those asked can be expected to answer
 * @property {{input: any, inputHash: string, by: By}} [edited] arguments that a voter put in place of the proposed ones
 * @property {any} [metadata]
 * @property {Decision} [decision]
 */

/**
 * @typedef {object} SessionInfo
 * @property {string} id
 * @property {string} agent
 * @property {string} owner
 * @property {Record<string, string>} members subject → what they are here
 * @property {number} createdAt
 * @property {string} [title]
 * @property {any} [metadata]
 * @property {{by: By, at: number}} [takeover] who speaks in the agent's place
 * @property {string} [branch] the branch that is shown; absent: the one on which the session began
 * @property {{id: string, parent: string, before: string}[]} [branches] each stands in the place of the turn `before`
 */

/**
 * @typedef {object} State a session up to and with `seq`
 * @property {string} epoch
 * @property {number} seq
 * @property {SessionInfo} [session]
 * @property {Placed[]} placed oldest first
 * @property {Record<string, Turn>} turns
 * @property {Record<string, Interrupt>} interrupts
 * @property {any} [state] the shared document
 * @property {number} [stateVersion] how often it was changed
 * @property {boolean} [more] whether there are older messages than these
 * @property {number} [before] the position to ask for them
 */

/** Before anything was heard of it. @type {State} */
export const EMPTY = { epoch: "", seq: 0, placed: [], turns: {}, interrupts: {} };
