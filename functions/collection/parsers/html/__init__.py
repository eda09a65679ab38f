"""The HTML parser: main text with headings, lists, tables, quotes and code, as Markdown."""
