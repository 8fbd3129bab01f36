// An agent on the official TypeScript package: it starts the command that it is given, and asks for a permission.
//
//     node mcp_agent.mjs COMMAND ARGS…

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";

const [command, ...args] = process.argv.slice(2);
const client = new Client({ name: "test", version: "1" });
await client.connect(new StdioClientTransport({ command, args, env: process.env }));
const { tools } = await client.listTools();
console.log(JSON.stringify({ tools: tools.map(({ name }) => name) }));
const asked = { tool_name: "Bash", input: { command: "ls" }, tool_use_id: "toolu_02" };
const { content } = await client.callTool({ name: "permission_prompt", arguments: asked });
console.log(content[0].text);
await client.close();
