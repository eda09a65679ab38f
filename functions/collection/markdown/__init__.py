"""Markdown and MDX: how a page is read, beneath `parse`."""
