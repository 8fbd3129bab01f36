// A page of somebody's own: CopilotKit's chat on a thread, with cards for what is asked.
//
//     ?token=…&id=…&agent=…

import { CopilotChat, CopilotKitProvider, useFrontendTool, useInterrupt } from "@copilotkit/react-core/v2";
import { createElement as h } from "react";
import { createRoot } from "react-dom/client";

const { token, id, agent = "desk" } = Object.fromEntries(new URLSearchParams(location.search));

const Card = ({ ask, resolve }) =>
  h(
    "section",
    { "aria-label": "Approval" },
    h("output", null, `${ask.metadata.holdfast.toolName} ${JSON.stringify(ask.metadata.holdfast.input)}`),
    h("button", { onClick: () => resolve({ approved: true }, ask.id) }, "Approve"),
    h("button", { onClick: () => resolve({ approved: false, reason: "Too much." }, ask.id) }, "Deny"),
  );

const Asks = () => {
  useInterrupt({
    agentId: agent,
    render: ({ interrupts, resolve }) =>
      h("div", null, interrupts.map((ask) => h(Card, { key: ask.id, ask, resolve }))),
  });
  useFrontendTool({
    name: "location",
    handler: async () => {
      document.body.append("ran location;");
      return "Paris";
    },
  });
};

const App = () =>
  h(
    CopilotKitProvider,
    { runtimeUrl: `${location.origin}/copilotkit`, headers: { Authorization: `Bearer ${token}` } },
    h(CopilotChat, { agentId: agent, threadId: id }),
    h(Asks),
  );
createRoot(document.body.appendChild(document.createElement("div"))).render(h(App));
