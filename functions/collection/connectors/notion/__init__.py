"""The Notion connector: pages and rows of databases that are shared with an integration."""
