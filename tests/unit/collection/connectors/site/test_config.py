"""Addresses of a site: their one form, their keys, and which belong to it."""

import pytest

from functions.collection.connectors.site.config import Scope, SiteConfig, key_of, normalise_link
from headwater.errors import UnprocessableContent


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://A.example", "https://a.example/"),
        ("http://a.example:80/x#top", "http://a.example/x"),
        ("http://a.example:8080/x", "http://a.example:8080/x"),
        ("https://a.example/a/./b/../c/", "https://a.example/a/c/"),
        ("https://a.example/../../x", "https://a.example/x"),
        ("https://a.example/a b/ü", "https://a.example/a%20b/%C3%BC"),
        ("https://a.example/x;jsessionid=8F?b=2&a=1&sid=9&utm_source=n", "https://a.example/x?a=1&b=2"),
        ("https://a.example/x?q=", "https://a.example/x?q="),
        ("https://[::1]:8080/x", "https://[::1]:8080/x"),
        ("https://BÜCHER.example/ü", "https://xn--bcher-kva.example/%C3%BC"),
        ("https://" + "x" * 64 + ".example/", None),
        ("mailto:ada@a.example", None),
        ("https://", None),
        ("https://[broken/", None),
        ("https://a.example:99999/", None),
    ],
)
def test_address_is_written_in_one_form(url: str, expected: str | None) -> None:
    assert normalise_link(url) == expected
    assert expected is None or normalise_link(expected) == expected


@pytest.mark.parametrize(
    ("start", "url", "belongs"),
    [
        ("https://a.example/docs/", "https://a.example/docs/x", True),
        ("https://a.example/docs/", "https://a.example/docs", True),
        ("https://a.example/docs", "https://a.example/docs/x", True),
        ("https://a.example/docs/index.html", "https://a.example/docs/x", True),
        ("https://a.example/", "https://a.example/any/thing", True),
        ("https://a.example/docs", "https://a.example/docs-old/x", False),
        ("https://a.example/docs/", "https://a.example/blog/", False),
        ("https://a.example/", "http://a.example/", False),
        ("https://a.example/", "https://a.example:8443/", False),
        ("https://a.example/", "https://a.example.evil.example/", False),
        ("https://a.example/", "https://a.example/tags/x", False),
        ("https://a.example/", "https://a.example/a/b/a/b/a/b", False),
        ("https://a.example/", "https://a.example/logo.PNG", False),
        ("https://a.example/", "https://a.example/" + "x" * 500, False),
    ],
)
def test_page_belongs_to_the_site(start: str, url: str, belongs: bool) -> None:
    scope = Scope(start, SiteConfig(start, exclude=("tags/**",)))
    assert scope.may_follow(url) == belongs


def test_keys_are_readable_and_unique_by_query() -> None:
    urls = ["https://a.example/", "https://a.example/b/", "https://a.example/b?x=1", "https://a.example/%2F%3F%00"]
    assert [key_of(url) for url in urls] == ["index", "b", "b?x=1", "%2F%3F%00"]


def test_invalid_pattern_is_refused() -> None:
    with pytest.raises(UnprocessableContent, match=r"config\.exclude"):
        SiteConfig("https://a.example", exclude=("[",)).normalised()
