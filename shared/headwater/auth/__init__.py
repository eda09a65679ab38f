"""Authenticate callers: user tokens, API keys, Google's service calls."""
