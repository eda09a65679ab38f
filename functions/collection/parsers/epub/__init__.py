"""EPUB: books of HTML chapters in a ZIP file."""
