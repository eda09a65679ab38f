"""The GitHub connector: issues, pull requests, discussions, releases and starred repositories."""
