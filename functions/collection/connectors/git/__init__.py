"""The Git connector."""
