"""Compose answers: prompt, checked citations, sentences."""
