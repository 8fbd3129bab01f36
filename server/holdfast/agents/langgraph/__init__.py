"""Graphs of LangGraph as agents: they run here, remember by their checkpointer, and their interrupts are ours."""

from __future__ import annotations

from holdfast.agents.langgraph.effects import once

__all__ = ["once"]
