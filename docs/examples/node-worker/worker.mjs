// An agent in JavaScript: the AI SDK streams, Holdfast keeps what was said, asks people, and has it go on once.
//
//     HOLDFAST_URL=http://localhost:8700 HOLDFAST_TOKEN=… node worker.mjs
//
// The token has the right `work`: holdfast token my-worker --can work --agent node-support --session '*'

import { appendFileSync } from "node:fs";
import { convertToModelMessages, jsonSchema, streamText, tool, toUIMessageStream } from "ai";
import { work } from "./holdfast.mjs";
import { offline } from "./offline.mjs";

const model = process.env.MODEL ?? offline; // a model of any provider: "openai/gpt-5.2", or one of the AI SDK's

const refund = {
  description: "Refund an order.",
  inputSchema: {
    type: "object",
    properties: { order: { type: "string" }, amount: { type: "number" } },
    required: ["order", "amount"],
  },
  rules: { approval: true, editable: true }, // who may say yes, until when …: what Python's @tool takes
  // Called once for each call that may go, whatever crashes. The key is the same in every attempt.
  async execute({ order, amount }, { idempotencyKey }) {
    if (process.env.EFFECTS) appendFileSync(process.env.EFFECTS, `${order} ${amount} ${idempotencyKey}\n`);
    return { refunded: amount };
  },
};

// Without `execute`: the AI SDK is to tell which calls the model wants, not to make them.
const tools = { refund: tool({ description: refund.description, inputSchema: jsonSchema(refund.inputSchema) }) };
const shown = /^(text|reasoning|source|file|start-step|finish-step)/; // calls are shown by whoever judges them

async function support(turn) {
  const said = [...turn.history, turn.message].filter(Boolean); // a turn may begin with an input alone
  const messages = await convertToModelMessages(said, { ignoreIncompleteToolCalls: true });
  const instructions = ["You help customers with their orders.", ...turn.notes].join("\n\n");
  for (let step = 0; step < 10; step++) {
    // Recorded: after a wait, or in another worker, the model is not asked again for what it has said.
    const response = await turn.stream("model", async (emit) => {
      let failed;
      const onError = ({ error }) => (failed = error);
      const result = streamText({ model, instructions, messages, tools, abortSignal: turn.signal, onError });
      for await (const chunk of toUIMessageStream({ stream: result.stream, sendStart: false, sendFinish: false })) {
        if (shown.test(chunk.type)) await emit(chunk);
      }
      if (failed) throw failed;
      return { messages: await result.responseMessages, calls: await result.toolCalls };
    });
    messages.push(...response.messages);
    if (response.calls.length === 0) return;
    const calls = response.calls.filter((call) => !call.invalid); // of the others the AI SDK has told the model
    const ended = await turn.all(calls.map(({ toolName, input }) => turn.call(toolName, input, refund.execute)));
    if (calls.length) messages.push({ role: "tool", content: calls.map((call, place) => toolResult(call, ended[place])) });
  }
}

/** What the model is told: a person's no is not an error, and has its reason. */
function toolResult({ toolCallId, toolName }, { outcome, value, reason }) {
  const output = {
    done: { type: "json", value: value ?? null },
    denied: { type: "execution-denied", reason },
  }[outcome] ?? { type: "error-text", value: reason ?? outcome };
  return { type: "tool-result", toolCallId, toolName, output };
}

await work({
  url: process.env.HOLDFAST_URL ?? "http://localhost:8700",
  token: process.env.HOLDFAST_TOKEN,
  agents: { "node-support": { version: "1", tools: { refund }, run: support } },
  log: (...words) => console.log(...words),
});
