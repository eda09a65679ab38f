"""Runs of a source: start, read, end, retain."""
