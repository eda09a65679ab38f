"""The GitLab connector: issues, merge requests, releases and wikis."""
