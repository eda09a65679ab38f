"""Sign in to MCP servers with OAuth 2.1, as the Model Context Protocol's authorization describes it."""
