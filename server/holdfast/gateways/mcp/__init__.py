"""Holdfast as an MCP server: any agent that speaks MCP asks people, and is answered from wherever they are.

What is asked is a gate outside any turn (docs/design/gates.md), so the inbox, notices, votes, deadlines and the trail
are those of every other interrupt. The tools know only a `Desk`: in `holdfast mcp` that is a device at a server.
"""
