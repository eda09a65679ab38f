"""The Confluence connector: pages and blog posts of a Confluence site."""
