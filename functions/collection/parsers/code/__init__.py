"""Source code: a section for each definition."""
