"""Members of a workspace and its API keys."""
