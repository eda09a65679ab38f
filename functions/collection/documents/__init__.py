"""Documents: read, upload, remove, restore."""
