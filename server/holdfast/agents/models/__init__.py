"""The LLM agent: a language model of any provider speaks, and a durable turn owns its tools."""
