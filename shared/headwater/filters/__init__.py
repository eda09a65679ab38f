"""Filters of documents: a small language, as a tree and as SQL."""
