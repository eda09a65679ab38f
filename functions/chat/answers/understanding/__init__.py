"""Understand messages: what to search for, and what needs no search."""
