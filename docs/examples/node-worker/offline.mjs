// A model that needs no key and no network, by the AI SDK's own mock: it refunds what it is asked to, and tells stories.

import { MockLanguageModelV4, simulateReadableStream } from "ai/test";

const usage = { inputTokens: { total: 1 }, outputTokens: { total: 1 } };
const pace = Number(process.env.PACE_MS ?? 20); // between two words

export const offline = new MockLanguageModelV4({
  doStream: async ({ prompt }) => ({
    stream: simulateReadableStream({ chunks: answer(prompt), initialDelayInMs: null, chunkDelayInMs: pace }),
  }),
});

function answer(prompt) {
  const last = prompt.at(-1);
  if (last.role === "tool") return spoken(last.content.map(({ output }) => outcome(output)).join(" "));
  const text = last.content.map((part) => part.text ?? "").join("");
  const orders = [...text.matchAll(/refund (\S+), (\d+)/gi)];
  if (orders.length === 0) return spoken(`Once upon a time: ${"on and on it went, ".repeat(12)}and then it ended.`);
  const calls = orders.map(([, order, amount], nth) => ({
    type: "tool-call",
    toolCallId: `call-${nth}`, // as some providers do: the same in every response
    toolName: "refund",
    input: JSON.stringify({ order, amount: Number(amount) }),
  }));
  return spoken("Let me see to that. ", "tool-calls", calls);
}

const outcome = (output) =>
  ({ json: () => `Refunded ${output.value.refunded}.`, "execution-denied": () => `Not refunded: ${output.reason}` })[
    output.type
  ]?.() ?? `It failed: ${output.value}`;

function spoken(text, reason = "stop", calls = []) {
  const words = text.match(/\S+\s*/g).map((delta) => ({ type: "text-delta", id: "0", delta }));
  return [
    { type: "stream-start", warnings: [] },
    { type: "text-start", id: "0" },
    ...words,
    { type: "text-end", id: "0" },
    ...calls,
    { type: "finish", finishReason: { unified: reason, raw: reason }, usage },
  ];
}
