"""The connector of uploaded files."""
