"""The steps of a collect, in order: list, fetch, chunk, link, finish."""
