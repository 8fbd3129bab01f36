"""Agents of pydantic-ai as they are. See docs/howto/pydantic-ai.md."""
