"""Embedding models: register, build while another is active, activate, roll back, delete."""
