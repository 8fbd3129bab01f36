/**
 * The AI SDK's `useChat` on a session: a transport for what a chat sends and streams, and a binding for what that
 * cannot know: what other devices say and decide. Use both, on the same chat.
 */

/** @typedef {import("./index.js").Client} Client */
/** @typedef {import("./index.js").Session} Session */
/** @typedef {import("./messages.js").Message} Message */
/** @typedef {import("./messages.js").Part} Part */
/** @typedef {import("./messages.js").Chunk} Chunk */
/** @typedef {{id: string, parts: any[], [field: string]: any}} Posted a message as a chat has it */
/** @typedef {Record<string, any> & {id: string, status: string, messages: any[]}} Chat of `@ai-sdk/react`, or any `AbstractChat` */

/** The last word on a call. @type {Record<string, string>} */
const LAST = { "output-available": "output", "output-error": "errorText", "output-denied": "reason" };

/**
 * A `ChatTransport`. The chat's id is the session's; `agent` answers in one that begins.
 *
 * @param {Client} client
 * @param {string} agent
 */
export const chatTransport = (client, agent) => ({
  resumeStreamIsReplay: true,

  /** @param {{chatId: string, messages: Posted[], trigger: string, messageId?: string, abortSignal?: AbortSignal}} asked */
  sendMessages: async ({ chatId, messages, trigger, messageId, abortSignal }) => {
    const session = client.session(chatId);
    const { id, role, parts, metadata } = /** @type {Posted} */ (messages.at(-1));
    // What was answered is on its way already; the chat must not believe that it has to go on by itself.
    if (role !== "user") return streamed(session, undefined, abortSignal);
    const { messages: known } = session.getSnapshot();
    const at = known.findIndex((one) => idOf(one) === (messageId ?? id));
    const anew = trigger === "regenerate-message";
    const from = known.findIndex((one) => idOf(one) === id);
    const answer = known[at]?.role === "assistant" ? known[at] : known.slice(from + 1).find(isAnswer);
    const message = anew ? null : { id, role, parts, metadata };
    const replaces = (anew ? answer : known[at])?.id;
    const { turn } = await client
      .command({ type: "send", session: chatId, message, replaces })
      .catch(async (error) => {
        if (error.code !== "not_found" || anew) throw error;
        const started = await client.command({ type: "start", agent, id: chatId, message });
        session.attach(); // it was not there before
        return started;
      });
    return streamed(session, turn, abortSignal);
  },

  /** @param {{chatId: string, abortSignal?: AbortSignal}} asked */
  reconnectToStream: async ({ chatId, abortSignal }) => {
    const session = client.session(chatId);
    const { turn } = session.getSnapshot();
    return turn && goesOn(turn) ? streamed(session, turn.id, abortSignal) : null;
  },
});

/**
 * Have a chat show the session as it is for all devices, submit each answer at once, and run client tools by its
 * `onToolCall` on one device only. Call it where the chat is made, before it is shown.
 *
 * @param {Chat} chat
 * @param {Client} client
 * @returns {() => void} ends it
 */
export const bindChat = (chat, client) => {
  const session = client.session(chat.id);
  const { onToolCall, addToolOutput, addToolApprovalResponse } = chat;
  /** Calls that run here: what gives them their output. @type {Map<string, (given: any) => void>} */
  const running = new Map();

  const sync = () => {
    const { session: info, messages, unsent, turn, error } = session.getSnapshot();
    if (!info || /^s/.test(chat.status)) return;
    chat.messages = [...messages, ...unsent].map((message) => ({ ...message, id: idOf(message) }));
    if (turn && goesOn(turn) && !error) chat.resumeStream();
  };

  for (const name of ["sendMessage", "regenerate", "resumeStream"]) {
    const original = chat[name];
    chat[name] = (/** @type {any[]} */ ...args) => original(...args).finally(sync);
  }

  /** Resolves also where it was refused or lost: then the chat shows what stands. @param {string} toolCallId @param {any} update */
  const submit = (toolCallId, update) => session.update(undefined, [{ toolCallId, ...update }]).finally(sync);

  chat.addToolApprovalResponse = async (/** @type {any} */ given) => {
    const { id, approved, reason } = given;
    const asked = session.getSnapshot().interrupts.find((one) => one.id === id);
    addToolApprovalResponse(given);
    if (asked) await (approved ? session.approve(id, { reason }) : session.deny(id, { reason })).finally(sync);
  };

  chat.addToolOutput = async (/** @type {any} */ given) => {
    const { toolCallId, state, output, errorText } = given;
    addToolOutput(given);
    const here = running.get(toolCallId);
    if (here) here(given);
    else if (state === "output-error") await submit(toolCallId, { type: "tool-output-error", errorText });
    else await submit(toolCallId, { type: "tool-output-available", output });
  };

  chat.onToolCall = undefined;
  const off = onToolCall && client.handle("*", (input, { interrupt: { toolCallId = "", toolName }, signal }) =>
    new Promise((resolve, reject) => {
      running.set(toolCallId, ({ state, output, errorText }) => (state === "output-error" ? reject(errorText) : resolve(output)));
      signal.onabort = reject;
      onToolCall({ toolCall: { toolCallId, toolName, input } });
    }).finally(() => running.delete(toolCallId)),
  );

  const end = session.subscribe(sync);
  return () => {
    off?.();
    end();
  };
};

/** The id that the chat gave its message, if it was one: so it stays the same there. @param {Message} message */
const idOf = ({ id, metadata }) => metadata?.clientId ?? id;

/** @param {Message} message */
const isAnswer = ({ role }) => role === "assistant";

/** Only people, time or an operator can carry it on. @param {import("./state.js").Turn} turn */
const stands = ({ status, open }) => status === "blocked" || (status === "waiting" && !!open);

/** @param {import("./state.js").Turn} turn */
const goesOn = ({ status, open }) => status === "running" || (status === "waiting" && !open);

/**
 * A turn's message in chunks, from its start to where the turn stops.
 *
 * @param {Session} session
 * @param {string | undefined} id
 * @param {AbortSignal} [signal]
 * @returns {ReadableStream<Chunk>}
 */
const streamed = (session, id, signal) => {
  let end = () => {};
  return new ReadableStream({
    start: (controller) => {
      /** @type {Part[] | undefined} */
      let seen;
      /** @param {Chunk} [last] */
      const close = (last) => {
        end();
        if (last) controller.enqueue(last);
        controller.close();
      };
      if (!id) return close({ type: "finish", finishReason: "interrupted" });

      const look = () => {
        const { turns, messages, turn: current, error } = session.getSnapshot();
        if (error) return close({ type: "error", errorText: error.message });
        const turn = turns[id];
        const message = messages.find((one) => one.id === turn?.message);
        if (message) {
          if (!seen) controller.enqueue({ type: "start", messageId: message.id });
          for (const chunk of more((seen ??= []), message.parts)) controller.enqueue(chunk);
          seen = message.parts;
        }
        const { end: how, error: why } = turn ?? {};
        if (how === "failed") close({ type: "error", errorText: why?.message ?? "" });
        else if (how) close({ type: "finish", finishReason: "stop" });
        // Also one that queues behind what waits: the chat must be free to answer that.
        else if (turn && (stands(turn) || (current && stands(current)))) close({ type: "finish", finishReason: "tool-calls" });
      };
      const off = session.subscribe(look);
      const abort = () => close();
      signal?.addEventListener("abort", abort);
      end = () => {
        end = () => {};
        off();
        signal?.removeEventListener("abort", abort);
      };
      look();
    },
    cancel: () => end(),
  });
};

/**
 * What has come to the parts since. What did not change is the same object.
 *
 * @param {Part[]} seen
 * @param {Part[]} parts
 * @returns {Chunk[]}
 */
const more = (seen, parts) => {
  /** A worker died: what it said is void, and the step is told anew. */
  const void_ = seen.some((old, i) => !parts[i] || (old.text && !parts[i].text?.startsWith(old.text)));
  const kept = void_ ? parts.findLastIndex(({ type }) => type === "step-start") + 1 : Infinity;
  const chunks = parts.flatMap((part, i) => (part === seen[i] && i < kept ? [] : told(i < kept ? seen[i] : undefined, part, i)));
  return void_ ? [{ type: "reset-step" }, ...chunks] : chunks;
};

/** @param {Part | undefined} old @param {Part} part @param {number} i @returns {Chunk[]} */
const told = (old, part, i) => {
  const { type, state } = part;
  if (type === "step-start") return old ? [] : [{ type: "start-step" }];
  if (type === "text" || type === "reasoning") {
    const id = `${i}`;
    const delta = part.text.slice(old?.text.length ?? 0);
    return [
      ...(old ? [] : [{ ...part, type: `${type}-start`, id }]),
      ...(delta ? [{ type: `${type}-delta`, id, delta }] : []),
      ...(state === "done" && old?.state !== state ? [{ type: `${type}-end`, id }] : []),
    ];
  }
  return part.toolCallId ? toldOfCall(old, part) : [part];
};

/** @param {Part | undefined} old @param {Part} part @returns {Chunk[]} */
const toldOfCall = (old, part) => {
  const { toolCallId, state, input, rawInput = "", approval } = part;
  const dynamic = part.type === "dynamic-tool";
  const call = { ...part, dynamic, toolName: dynamic ? part.toolName : part.type.slice(5) };
  const streams = state === "input-streaming";
  const had = old?.rawInput ?? "";
  const field = LAST[state];
  const asked = approval && { approvalId: approval.id, toolCallId };
  return [
    ...(old ? [] : [{ ...call, type: "tool-input-start" }]),
    ...(streams && rawInput !== had
      ? [{ type: "tool-input-delta", toolCallId, inputTextDelta: rawInput.slice(had.length) }]
      : []),
    ...(!streams && (!old || old.state === "input-streaming") ? [{ ...call, type: "tool-input-available", input }] : []),
    ...(asked && !old?.approval ? [{ ...asked, type: "tool-approval-request" }] : []),
    ...(asked && "approved" in approval && !("approved" in (old?.approval ?? {}))
      ? [{ ...approval, ...asked, type: "tool-approval-response" }]
      : []),
    ...(field ? [{ type: `tool-${state}`, toolCallId, [field]: part[field] }] : []),
  ];
};
