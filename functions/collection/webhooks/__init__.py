"""Webhooks: servers report that a source has changed."""
