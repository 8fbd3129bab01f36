// An MCP server on the official TypeScript package, of the older protocol: it asks in the middle of a call.

import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { z } from "zod";

const server = new McpServer({ name: "older", version: "1" });
const said = (text) => ({ content: [{ type: "text", text }] });

const add = server.registerTool("add", { inputSchema: { a: z.number(), b: z.number() } }, async ({ a, b }) => said(String(a + b)));
server.registerTool("change", {}, async () => {
  add.update({ annotations: { destructiveHint: true } }); // and says so to its clients
  return said("changed");
});
server.registerTool("ask", {}, async () => {
  const requestedSchema = { type: "object", properties: { name: { type: "string" } } };
  const { action } = await server.server.elicitInput({ message: "Your name?", requestedSchema });
  return said(action);
});

server.registerTool("ask_twice", {}, async () => {
  const requestedSchema = { type: "object", properties: { name: { type: "string" } } };
  const first = await server.server.elicitInput({ message: "Your name?", requestedSchema });
  const second = await server.server.elicitInput({ message: "Your name?", requestedSchema });
  return said(`${first.content?.name} and ${second.content?.name}`);
});

await server.connect(new StdioServerTransport());
