// One HttpAgent of AG-UI, in a process of its own, steered by lines of JSON and telling what it has in such lines.
//
//     node ag_ui_agent.mjs '{"version": 1 | 0, "url", "token", "id", "wire": "a file for what the server sends"}'

import { appendFileSync } from "node:fs";
import { createInterface } from "node:readline";

const { version = 1, url, token, id, wire } = JSON.parse(process.argv[2]);
const { HttpAgent, buildResumeArray } = await import(version === 0 ? "@ag-ui/client-0" : "@ag-ui/client");

const outcomes = [];
const errors = [];
const warnings = [];
const types = [];
console.warn = (...said) => void warnings.push(said.join(" "));
console.error = (...said) => void warnings.push(said.join(" "));

/** As `fetch`, and what the server sends is kept, as it came. */
const recorded = async (address, init) => {
  const response = await fetch(address, init);
  if (!response.ok) return response;
  const text = new TextDecoderStream();
  const [read, kept] = response.body.tee();
  kept.pipeThrough(text).pipeTo(new WritableStream({ write: (said) => appendFileSync(wire, said) })).catch(() => {});
  return new Response(read, { status: response.status, headers: response.headers });
};

const agent = new HttpAgent({ url, threadId: id, headers: { Authorization: `Bearer ${token}` }, fetch: recorded });
agent.subscribe({
  onEvent: ({ event }) => void types.push(event.type),
  onRunFinishedEvent: ({ event, outcome, result, interrupts, pendingToolCallIds }) =>
    void outcomes.push({ outcome, result, interrupts, pendingToolCallIds, told: event.outcome }),
  onRunErrorEvent: ({ event: { code, message } }) => void errors.push({ code, message }),
});

let running = 0;
const run = async (parameters) => {
  running++;
  try {
    await agent.runAgent(parameters);
  } catch (error) {
    errors.push({ message: error.message });
  } finally {
    running--;
  }
};

let shown = "";
const tell = () => {
  const { messages, pendingInterrupts, state } = agent;
  const status = running ? "running" : "ready";
  const now = JSON.stringify({ status, messages, pendingInterrupts, state, outcomes, errors, warnings, types });
  if (now !== shown) console.log((shown = now));
};
setInterval(tell, 10);

const deeds = {
  run: () => run(),
  say: ({ text, id = crypto.randomUUID() }) => {
    agent.addMessage({ id, role: "user", content: text });
    return run();
  },
  answer: ({ responses }) => run({ resume: buildResumeArray(agent.pendingInterrupts, responses) }),
  output: ({ toolCallId, content, error }) => {
    agent.addMessage({ id: crypto.randomUUID(), role: "tool", toolCallId, content, error });
    return run();
  },
  forge: ({ messages }) => {
    agent.setMessages(messages);
    return run();
  },
  abort: () => agent.abortRun(),
};
for await (const line of createInterface({ input: process.stdin })) {
  const [deed, options] = JSON.parse(line);
  Promise.resolve(deeds[deed](options)).catch((error) => errors.push({ message: error.message }));
}
process.exit();
