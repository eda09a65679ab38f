"""What people decide about single documents: withheld removals, tombstones, documents added by hand."""
