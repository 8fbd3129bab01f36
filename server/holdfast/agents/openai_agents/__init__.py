"""Agents of the OpenAI Agents SDK as they are. See docs/howto/openai-agents.md."""
