"""Files that users upload to a source of the kind `uploads`."""
