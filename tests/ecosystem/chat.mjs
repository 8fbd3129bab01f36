// One chat of the AI SDK, in a process of its own, steered by lines of JSON and telling what it shows in such lines.
//
//     node chat.mjs '{"version": 7, "wire": "http" | "websocket" | "native", "url", "token", "id", "auto": true}'

import { createInterface } from "node:readline";

const { version = 7, wire = "http", url, token, id, auto = true, messages = [], gives } = JSON.parse(process.argv[2]);
const ai = await import(version === 6 ? "ai-6" : "ai");

/** What `useChat` does with React, without it. */
class Memory {
  status = "ready";
  error = undefined;
  constructor(messages) {
    this.messages = messages;
  }
  pushMessage = (message) => {
    this.messages = [...this.messages, message];
  };
  popMessage = () => {
    this.messages = this.messages.slice(0, -1);
  };
  replaceMessage = (index, message) => {
    this.messages = this.messages.with(index, structuredClone(message));
  };
  snapshot = (thing) => structuredClone(thing);
}

class PlainChat extends ai.AbstractChat {
  constructor({ messages, ...init }) {
    super({ ...init, state: new Memory(messages) });
  }
}

const Chat = version === 6 ? PlainChat : (await import("@ai-sdk/react")).Chat;

const headers = { Authorization: `Bearer ${token}`, ...(version === 6 && { "X-AI-SDK-Version": "6" }) };
let requests = 0;
const counted = (transport) => ({
  resumeStreamIsReplay: true,
  sendMessages: (options) => {
    requests++;
    return transport.sendMessages(options);
  },
  reconnectToStream: (options) => transport.reconnectToStream(options),
});
/** Ours: a device beside the chat, and the binding of the two. */
const native = async () => {
  const { connect } = await import("../../client_js/src/index.js");
  const { chatTransport, bindChat } = await import("../../client_js/src/ai-sdk.js");
  const client = connect({ url: new URL(url).origin, token });
  return { transport: chatTransport(client, url.split("/").at(-1)), bind: (chat) => bindChat(chat, client) };
};
const ours = wire === "native" ? await native() : undefined;
const transport =
  ours?.transport ??
  (wire === "websocket"
    ? new ai.WebSocketChatTransport({ url: url.replace("http", "ws"), headers })
    : new ai.DefaultChatTransport({ api: url, headers }));

const calls = [];
const finished = [];
const chat = new Chat({
  id,
  messages,
  transport: counted(transport),
  sendAutomaticallyWhen: auto
    ? (it) =>
        ai.lastAssistantMessageIsCompleteWithApprovalResponses(it) || ai.lastAssistantMessageIsCompleteWithToolCalls(it)
    : undefined,
  onToolCall: ({ toolCall: { toolName, toolCallId } }) => {
    calls.push(toolName);
    if (gives !== undefined) chat.addToolOutput({ tool: toolName, toolCallId, output: gives });
  },
  onFinish: ({ finishReason }) => void finished.push(finishReason ?? null),
});

ours?.bind(chat);

let shown = "";
const tell = () => {
  const { status, messages, error } = chat;
  const now = JSON.stringify({ status, messages, error: error?.message, calls, requests, finished });
  if (now !== shown) console.log((shown = now));
};
setInterval(tell, 10);

const deeds = {
  say: ({ text, ...more }) => chat.sendMessage({ text, ...more }),
  go: () => chat.sendMessage(),
  again: (options) => chat.regenerate(options),
  resume: () => chat.resumeStream(),
  stop: () => chat.stop(),
  approve: (response) => chat.addToolApprovalResponse(response),
  output: (output) => chat.addToolOutput(output),
};
for await (const line of createInterface({ input: process.stdin })) {
  const [deed, options] = JSON.parse(line);
  Promise.resolve(deeds[deed](options)).catch((error) => console.error(error));
}
process.exit();
