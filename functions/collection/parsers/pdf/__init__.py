"""PDF: text in reading order, headings, lists, code, ruled tables and pages."""
