"""Task output: one file per attempt, and the methods that return it."""
