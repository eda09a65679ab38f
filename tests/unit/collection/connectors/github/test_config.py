"""Addresses of GitHub sources."""

import pytest

from functions.collection.connectors.github.config import GitHubConfig
from headwater.errors import UnprocessableContent


@pytest.mark.parametrize(
    ("url", "stored"),
    [
        ("github.com/acme/handbook", "https://github.com/acme/handbook"),
        ("https://www.github.com/acme/handbook.git", "https://github.com/acme/handbook"),
        ("https://github.com/acme/handbook/issues?q=is%3Aopen", "https://github.com/acme/handbook"),
        ("https://github.com/orgs/acme/repositories", "https://github.com/acme"),
        ("https://github.com/octocat?tab=stars", "https://github.com/octocat?tab=stars"),
        ("https://github.com/stars/octocat", "https://github.com/octocat?tab=stars"),
        ("https://git.acme.example:8443/a/b", "https://git.acme.example:8443/a/b"),
    ],
)
def test_address_is_stored_in_one_form(url: str, stored: str) -> None:
    assert GitHubConfig(url).normalised().url == stored


@pytest.mark.parametrize(
    "url", ["https://github.com/", "https://github.com/../x", "https://github.com/a%20b", "ftp://x"]
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(UnprocessableContent, match=r"config\.url"):
        GitHubConfig(url).normalised()


def test_source_of_nothing_is_refused() -> None:
    nothing = GitHubConfig("https://github.com/a/b", issues=False, pull_requests=False, releases=False)
    with pytest.raises(UnprocessableContent, match="choose"):
        nothing.normalised()


@pytest.mark.parametrize(
    ("host", "api", "graphql"),
    [
        ("github.com", "https://api.github.com", "https://api.github.com/graphql"),
        ("acme.ghe.com", "https://api.acme.ghe.com", "https://api.acme.ghe.com/graphql"),
        ("git.acme.example", "https://git.acme.example/api/v3", "https://git.acme.example/api/graphql"),
    ],
)
def test_apis_of_github_and_enterprise(host: str, api: str, graphql: str) -> None:
    config = GitHubConfig(f"https://{host}/acme")
    assert (config.api, config.graphql) == (api, graphql)
