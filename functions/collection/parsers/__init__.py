"""Parsers: a document's bytes to text, blocks and links."""
