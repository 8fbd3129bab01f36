"""Optional: the LLM agent, and adapters to other agent frameworks."""
