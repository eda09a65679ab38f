"""Conversations and the chat function's routes."""
