"""Files of one conversation: parsed as all files are, and read by that conversation alone."""
