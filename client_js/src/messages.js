/**
 * Folds the chunks of an agent's stream into its message: the same rules as
 * `server/holdfast/core/messages.py`, which explains them and where they differ from the AI SDK's.
 *
 * Nothing is changed in place: a fold returns a new message that shares every part it did not touch, and
 * the same message if nothing changed, so a view can compare by identity.
 */

/**
 * @typedef {{type: string, [field: string]: any}} Part one part of a message, as in the AI SDK's UIMessage
 * @typedef {{type: string, [field: string]: any}} Chunk one increment, as in the AI SDK's UI message stream
 * @typedef {object} Message
 * @property {string} id
 * @property {"user" | "assistant" | "system"} role
 * @property {Part[]} parts
 * @property {Record<string, any>} [metadata]
 */

/** @typedef {(message: Message, chunk: Chunk) => Message} Fold */

/**
 * The message after one more chunk; a chunk that cannot be applied leaves it as it is.
 *
 * @param {Message} message
 * @param {Chunk} chunk
 * @returns {Message}
 */
export function foldChunk(message, chunk) {
  const { type } = chunk;
  if (!isString(type)) return message;
  const row = /** @type {[Fold, ...string[]] | undefined} */ (FOLDS[type]);
  const [fold, ...needs] = row ?? (type.startsWith("data-") ? [data] : []);
  return fold && needs.every((key) => isString(chunk[key])) ? fold(message, chunk) : message;
}

/**
 * The message when its turn ended in the middle of it: nothing streams any more.
 *
 * @param {Message} message
 * @returns {Message}
 */
export function interrupted(message) {
  const parts = message.parts.map((part) => {
    const { type, state } = part;
    if (isTool(part) && state === "input-streaming") {
      const { inputEncoding, ...rest } = part;
      return { ...rest, state: "output-error", errorText: "Interrupted." };
    }
    return state === "streaming" && (type === "text" || type === "reasoning") ? finish(part) : part;
  });
  return parts.some((part, i) => part !== message.parts[i]) ? { ...message, parts } : message;
}

// ---------------------------------------------------------------- looking and changing

/** @param {unknown} value @returns {value is string} */
const isString = (value) => typeof value === "string";
/** @param {any} value */
const isObject = (value) => value && typeof value === "object" && !Array.isArray(value);
/** @param {Part} part */
const isDynamic = (part) => part.type === "dynamic-tool";
/** @param {Part} part */
const isStatic = (part) => part.type.startsWith("tool-");
/** @param {Part} part */
const isTool = (part) => isDynamic(part) || isStatic(part);

/** @param {Message} message */
const stepStart = ({ parts }) => parts.findLastIndex((part) => part.type === "step-start") + 1;

/** Where this step has the call, or -1. @type {(message: Message, id: string, fits: (part: Part) => boolean) => number} */
const findInStep = (message, id, fits) => {
  const from = stepStart(message);
  return message.parts.findIndex((part, i) => i >= from && part.toolCallId === id && fits(part));
};

/** Copies the fields that are there; null is nothing, except as a value. @type {(from: any, keys: string[], into: any) => any} */
const pick = (from, keys, into) => {
  for (const key of keys) {
    if (from[key] != null || (from[key] === null && /^(in|out)put$/.test(key))) into[key] = from[key];
  }
  return into;
};

/** Puts a part in its place; -1 is the end. @type {(message: Message, index: number, part: Part) => Message} */
const put = (message, index, part) => {
  const parts = [...message.parts];
  parts[index < 0 ? parts.length : index] = part;
  return { ...message, parts };
};

/** Changes a part, if there is one. @type {(message: Message, index: number, change: (part: Part) => Part) => Message} */
const edit = (message, index, change) =>
  index < 0 ? message : put(message, index, change(message.parts[index]));

// ---------------------------------------------------------------- text and reasoning

const PROVIDER = "providerMetadata";

/** @type {(type: string) => Fold} */
const textStart = (type) => (message, chunk) =>
  put(message, -1, pick(chunk, [PROVIDER], { type, id: chunk.id, text: "", state: "streaming" }));

/** Edits the latest part of this id that is not done: providers count from 0 again in each step. @type {(type: string, change: (part: Part, chunk: Chunk) => Part) => Fold} */
const streaming = (type, change) => (message, chunk) =>
  edit(
    message,
    message.parts.findLastIndex((p) => p.type === type && p.id === chunk.id && p.state === "streaming"),
    (part) => pick(chunk, [PROVIDER], change(part, chunk)),
  );

/** @type {(part: Part, chunk: Chunk) => Part} */
const append = (part, { delta }) => ({ ...part, text: part.text + delta });

/** @type {(part: Part, chunk?: Chunk) => Part} */
const finish = ({ id, ...part }, chunk) =>
  part.type === "text"
    ? pick(chunk ?? {}, ["citations"], { ...part, state: "done" })
    : { ...part, id, state: "done" };

// ---------------------------------------------------------------- tools

/** What a chunk makes of a tool part: fields neither taken nor kept are gone. @type {(part: Part, chunk: Chunk, state: string, takes: string[], keeps: string[]) => Part} */
const move = (part, chunk, state, takes, keeps) => {
  const { input, rawInput, inputEncoding, output, preliminary, errorText, ...rest } = part;
  return take(chunk, takes, pick(part, keeps, { ...rest, state }));
};

/** @type {(chunk: Chunk, takes: string[], part: Part) => Part} */
const take = (chunk, takes, part) => {
  const whose = part.state.startsWith("output") ? "result" : "call";
  if (chunk[PROVIDER] != null) part[whose + "ProviderMetadata"] = chunk[PROVIDER];
  return pick(chunk, [...takes, "providerExecuted", "toolMetadata"], part);
};

/** @type {(state: string, ...takes: string[]) => Fold} */
const toolInput = (state, ...takes) => (message, chunk) => {
  const { type, toolCallId, toolName } = chunk;
  const dynamic = chunk.dynamic === true;
  const fits = type === "tool-input-error" ? isTool : dynamic ? isDynamic : isStatic;
  const i = findInStep(message, toolCallId, fits);
  const old = message.parts[i];
  const name = (old ? isDynamic(old) : dynamic)
    ? { type: "dynamic-tool", toolName }
    : { type: "tool-" + toolName };
  return put(message, i, move({ ...old, ...name, toolCallId }, chunk, state, takes, []));
};

/** @type {Fold} */
const toolInputDelta = (message, { toolCallId, inputTextDelta }) =>
  edit(
    message,
    message.parts.findLastIndex(
      (p) => p.toolCallId === toolCallId && p.state === "input-streaming" && isTool(p),
    ),
    (part) => ({ ...part, rawInput: (part.rawInput ?? "") + inputTextDelta }),
  );

/** Edits this step's call, else the latest: models re-use their ids. @type {(change: (part: Part, chunk: Chunk) => Part) => Fold} */
const called = (change) => (message, chunk) => {
  const { toolCallId: id } = chunk;
  let i = findInStep(message, id, isTool);
  if (i < 0) i = message.parts.findLastIndex((part) => part.toolCallId === id && isTool(part));
  return edit(message, i, (part) => change(part, chunk));
};

/** @type {(state: string, ...takes: string[]) => Fold} */
const toolOutput = (state, ...takes) =>
  called((part, chunk) => move(part, chunk, state, takes, ["input", "rawInput"]));

const approvalRequest = called((part, chunk) => {
  const { approvalId: id, approvalDescriptor: descriptor, reason, inputSchemaInput, isAutomatic } = chunk;
  const approval = {
    id,
    ...(descriptor != null && { descriptor }),
    ...(reason != null && { requestReason: reason }),
    ...(inputSchemaInput !== undefined && { inputSchemaInput }),
    ...(isAutomatic === true && { isAutomatic }),
  };
  return { ...part, state: "approval-requested", approval: pick(chunk, ["signature"], approval) };
});

/** @type {(part: Part, chunk: Chunk) => Part} */
const respond = (part, chunk) => {
  const { approvalId: id, approved } = chunk;
  const approval = pick(chunk, ["reason"], { ...part.approval, id, approved: approved === true });
  return take(chunk, [], { ...part, state: "approval-responded", approval });
};

/** A call that nothing was asked about is found by its own id. */
const respondUnasked = called((part, chunk) => (part.approval ? part : respond(part, chunk)));

/** @type {Fold} */
const approvalResponse = (message, chunk) => {
  const i = message.parts.findIndex((p) => p.approval?.id === chunk.approvalId && isTool(p));
  return i < 0 ? respondUnasked(message, chunk) : edit(message, i, (part) => respond(part, chunk));
};

const outputDenied = called((part, { toolCallId: id, reason }) => ({
  ...part,
  state: "output-denied",
  ...(reason != null && { approval: { id, ...part.approval, approved: false, reason } }),
}));

// ---------------------------------------------------------------- steps, other parts, metadata

/** @type {(...keys: string[]) => [Fold]} */
const whole = (...keys) => [
  (message, chunk) => put(message, -1, pick(chunk, [...keys, PROVIDER], { type: chunk.type })),
];

/** @type {Fold} */
const data = (message, chunk) => {
  const { type, id, data = null } = chunk;
  if (chunk.transient === true) return message;
  const i = message.parts.findIndex((p) => id != null && p.type === type && p.id === id);
  return put(message, i, i < 0 ? chunk : { ...message.parts[i], data });
};

/** @type {(base: any, over: any) => any} */
const merge = (base, over) => {
  const merged = { ...base };
  for (const [key, value] of Object.entries(over)) {
    if (/^(__proto__|constructor|prototype)$/.test(key)) continue;
    merged[key] = isObject(value) && isObject(base[key]) ? merge(base[key], value) : value;
  }
  return merged;
};

/** @type {Fold} */
const metadata = (message, { messageMetadata: more }) =>
  isObject(more)
    ? { ...message, metadata: message.metadata ? merge(message.metadata, more) : more }
    : message;

/** @type {Fold} */
const start = (message, chunk) =>
  metadata(
    !message.id && isString(chunk.messageId) ? { ...message, id: chunk.messageId } : message,
    chunk,
  );

/** @type {(fold: Fold, ...needs: string[]) => [Fold, ...string[]]} */
const tool = (...row) => [...row, "toolCallId"];

/** What each type does, and the strings it cannot do without. @type {Record<string, [Fold, ...string[]]>} */
const FOLDS = {
  // @ts-ignore a type such as "constructor" must not be found
  __proto__: null,
  start: [start],
  finish: [metadata],
  "message-metadata": [metadata],
  "start-step": [(message) => put(message, -1, { type: "step-start" })],
  "reset-step": [(message) => ({ ...message, parts: message.parts.slice(0, stepStart(message)) })],
  "tool-input-start": tool(toolInput("input-streaming", "inputEncoding", "title"), "toolName"),
  "tool-input-delta": tool(toolInputDelta, "inputTextDelta"),
  "tool-input-available": tool(toolInput("input-available", "input", "title"), "toolName"),
  "tool-input-error": tool(toolInput("output-error", "input", "errorText"), "toolName"),
  "tool-output-available": tool(toolOutput("output-available", "output", "preliminary")),
  "tool-output-error": tool(toolOutput("output-error", "errorText")),
  "tool-output-denied": tool(outputDenied),
  "tool-approval-request": tool(approvalRequest, "approvalId"),
  "tool-approval-response": [approvalResponse, "approvalId"],
  custom: whole("kind"),
  file: whole("mediaType", "url", "filename"),
  "reasoning-file": whole("mediaType", "url"),
  "source-url": whole("sourceId", "url", "title"),
  "source-document": whole("sourceId", "mediaType", "title", "filename"),
  "steering-message": whole("id", "parts"),
};

for (const type of ["text", "reasoning"]) {
  FOLDS[type + "-start"] = [textStart(type), "id"];
  FOLDS[type + "-delta"] = [streaming(type, append), "id", "delta"];
  FOLDS[type + "-end"] = [streaming(type, finish), "id"];
}
