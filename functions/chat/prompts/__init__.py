"""Prompt functions: files with a prompt, an input and output schema, and examples, called by name."""
