"""The steps of a run: list, fetch, link, finish, retry."""
