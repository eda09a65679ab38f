"""MCP servers that a workspace's owners name: their tools are tools of the workspace's agents."""
