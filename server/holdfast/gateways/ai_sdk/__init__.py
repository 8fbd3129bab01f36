"""The AI SDK's wires: what `useChat` speaks, over HTTP and over its own WebSocket."""
