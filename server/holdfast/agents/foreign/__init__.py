"""Agents of other frameworks as ours: what all adapters share. See docs/design/bring-your-agent.md."""
