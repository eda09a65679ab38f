"""Who may call: the members of a workspace and its API keys."""
