"""The site connector: the pages of a web site, by its sitemaps or by following links."""
