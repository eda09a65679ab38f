"""The Google Drive connector: files of a folder or a shared drive."""
