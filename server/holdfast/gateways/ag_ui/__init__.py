"""AG-UI: what `@ag-ui/client` speaks over HTTP, and CopilotKit's front end with it."""
