"""Read HTML pages: decode them, find their main content and their metadata."""
