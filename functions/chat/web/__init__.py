"""Evidence from the web: search engines, pages, their passages and a cache."""
