"""Any agent that speaks AG-UI over HTTP, by its address: we are the application, and it is the agent."""
