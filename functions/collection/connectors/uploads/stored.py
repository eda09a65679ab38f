"""Where the contents of uploaded files are stored, and how many large ones are in memory."""

import threading

large_files = threading.Semaphore()
"""Held while a large file is in memory."""


def blob_key(file_prefix: str, version: str) -> str:
    """Return the blob store's key of a version of a file."""
    return f"{file_prefix}/{version}"
