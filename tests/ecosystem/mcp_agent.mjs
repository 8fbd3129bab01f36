// An agent on the official TypeScript package: it asks for two permissions, and gives the second one up.
//
//     node mcp_agent.mjs COMMAND ARGS…       it starts this command
//     node mcp_agent.mjs http://… TOKEN      it asks at this address

import { createInterface } from "node:readline";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const [where, ...args] = process.argv.slice(2);
const input = createInterface({ input: process.stdin });
const lines = input[Symbol.asyncIterator]();
const say = (told) => console.log(JSON.stringify(told));
const client = new Client({ name: "test", version: "1" });
await client.connect(transport());
const { tools } = await client.listTools();
say({ tools: tools.map(({ name }) => name) });

let words = 0;
const asked = { tool_name: "Bash", input: { command: "ls" }, tool_use_id: "toolu_02" };
const options = { onprogress: () => (words += 1), resetTimeoutOnProgress: true };
const { content } = await client.callTool({ name: "permission_prompt", arguments: asked }, undefined, options);
say({ ...JSON.parse(content[0].text), words });

const giving = new AbortController();
const call = { name: "permission_prompt", arguments: { ...asked, tool_use_id: "toolu_03" } };
const second = client.callTool(call, undefined, { signal: giving.signal });
await lines.next(); // one says that the card is there
giving.abort();
await second.catch((error) => say({ given_up: error.name }));
await lines.next(); // it stays until it is told that the card is gone
input.close();
await client.close();

function transport() {
  if (!where.startsWith("http")) return new StdioClientTransport({ command: where, args, env: process.env });
  const headers = { Authorization: `Bearer ${args[0]}` };
  return new StreamableHTTPClientTransport(new URL(where), { requestInit: { headers } });
}
