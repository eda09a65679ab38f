"""Embedding models and the vector index."""
