"""Hosted embedding models: providers, their protocols, and the client."""
