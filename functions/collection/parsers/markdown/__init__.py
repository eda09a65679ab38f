"""The Markdown and MDX parser."""
