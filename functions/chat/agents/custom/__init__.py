"""Agents of installed packages and of the folder `agents/`: their processes, and what these may ask for."""
