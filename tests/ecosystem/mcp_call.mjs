// Call one tool with the official TypeScript package, and say what it gives.
//
//     node mcp_call.mjs URL TOKEN TOOL ARGUMENTS

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const [url, token, name, given] = process.argv.slice(2);
const client = new Client({ name: "test", version: "1" });
const headers = { Authorization: `Bearer ${token}` };
await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));
const { structuredContent } = await client.callTool({ name, arguments: JSON.parse(given) });
console.log(JSON.stringify(structuredContent));
await client.close();
