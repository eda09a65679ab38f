"""Agents of installed packages and of the folder `agents/`: their processes, and the requests of these processes."""
