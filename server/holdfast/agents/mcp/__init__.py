"""Tools of MCP servers, as tools of our agents: judged, asked about, recorded and replayed like all others.

github = mcp_tools("npx -y @example/github-mcp", name="github", include=["search_*", "create_issue"])
app.add_agent("support", support, tools=[*github, refund])
"""

from holdfast.agents.mcp.tools import mcp_tools

__all__ = ["mcp_tools"]
