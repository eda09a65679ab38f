"""Runs of a source: start, read, pause, cancel, retain."""
