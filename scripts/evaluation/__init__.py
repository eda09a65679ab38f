"""Measure retrieval and abstention through the HTTP API. `scripts/eval` runs this package."""
