"""reStructuredText, by docutils."""
