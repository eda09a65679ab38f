"""The WordPress connector: posts, pages and other post types, by the REST API."""
