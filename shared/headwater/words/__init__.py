"""Words of texts and questions: how they are cut, stemmed and numbered for full-text search."""
