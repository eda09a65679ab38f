"""Extraction: values from documents as JSON by a schema, each with the place where it comes from."""
