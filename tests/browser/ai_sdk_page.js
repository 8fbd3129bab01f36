// A page of somebody's own: `useChat` on a session, with what there is to say, to approve and to run.
//
//     ?token=…&id=…

import { Chat, useChat } from "@ai-sdk/react";
import { createElement as h } from "react";
import { createRoot } from "react-dom/client";

import { bindChat, chatTransport } from "../../client_js/src/ai-sdk.js";
import { connect } from "../../client_js/src/index.js";

const { token, id } = Object.fromEntries(new URLSearchParams(location.search));
const client = connect({ url: location.origin, token });
const chat = new Chat({
  id,
  transport: chatTransport(client, "desk"),
  onToolCall: ({ toolCall: { toolName, toolCallId } }) => {
    document.body.append(`ran ${toolName};`);
    chat.addToolOutput({ tool: toolName, toolCallId, output: "Paris" });
  },
});
bindChat(chat, client);

const Part = ({ part, respond }) => {
  if (part.type === "text") return h("p", null, part.text);
  if (!part.toolCallId) return null;
  const asked = part.state === "approval-requested";
  return h(
    "section",
    { "aria-label": part.type },
    h("output", null, `${part.state} ${part.approval?.reason ?? ""} ${part.output ?? ""}`),
    asked && h("button", { onClick: () => respond({ id: part.approval.id, approved: true }) }, "Approve"),
    asked && h("button", { onClick: () => respond({ id: part.approval.id, approved: false, reason: "Too much." }) }, "Deny"),
  );
};

const App = () => {
  const { messages, status, sendMessage, addToolApprovalResponse } = useChat({ chat });
  return h(
    "main",
    { "data-status": status },
    messages.map(({ id, role, parts }) =>
      h("article", { key: id, className: role }, parts.map((part, key) => h(Part, { key, part, respond: addToolApprovalResponse }))),
    ),
    h("form", { action: (form) => void sendMessage({ text: form.get("text") }) }, h("input", { name: "text", "aria-label": "Message" })),
  );
};
createRoot(document.body.appendChild(document.createElement("div"))).render(h(App));
