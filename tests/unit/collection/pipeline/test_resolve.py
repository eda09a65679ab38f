"""Resolution of links to documents, as published sites and Obsidian resolve them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.collection.pipeline.resolve import LinkResolver, possible_names
from tests.harness.adversarial.links import LINKS, Links
from tests.harness.corpus import FILES
from tests.harness.growth import check_linear
from tests.harness.parsing import parse

KEYS = [
    "README.md",
    "docs/index.md",
    "docs/guide/start.md",
    "docs/guide/Über uns.md",
    "docs/guide/v1.2 notes.md",
    "docs/api/README.md",
    "docs/api/calls.mdx",
    "docs/api/Calls/deep.md",
    "docs/api/one.md",
    "docs/other/one.md",
    "docs/Case.md",
    "docs/same.md",
    "docs/SAME.md",
    "site/content/about.md",
    "site/content/blog/post.md",
    "assets/logo.png",
]
RESOLVER = LinkResolver(KEYS)


@pytest.mark.parametrize(
    ("from_key", "target", "expected"),
    [
        ("docs/guide/start.md", "../api/calls.mdx", "docs/api/calls.mdx"),
        ("docs/guide/start.md", "../api/calls.mdx#a?b", "docs/api/calls.mdx"),
        ("docs/guide/start.md", "../api/calls.mdx?a#b", "docs/api/calls.mdx"),
        ("docs/guide/start.md", "./../api/./calls", "docs/api/calls.mdx"),
        ("docs/guide/start.md", "%C3%9Cber%20uns.md", "docs/guide/Über uns.md"),
        ("docs/guide/start.md", "U\u0308ber uns", "docs/guide/Über uns.md"),
        ("docs/guide/start.md", "v1.2 notes", "docs/guide/v1.2 notes.md"),
        ("docs/guide/start.md", "../api", "docs/api/README.md"),
        ("docs/guide/start.md", "../api/", "docs/api/README.md"),
        ("docs/guide/start.md", "..", "docs/index.md"),
        ("docs/guide/start.md", ".", None),
        ("docs/guide/start.md", "../case.md", "docs/Case.md"),
        ("docs/guide/start.md", "../same.md", "docs/same.md"),
        ("docs/guide/start.md", "../Same.md", None),
        ("docs/guide/start.md", "/docs/api/calls", "docs/api/calls.mdx"),
        ("docs/guide/start.md", "/", "README.md"),
        ("site/content/blog/post.md", "/about", "site/content/about.md"),
        ("docs/guide/start.md", "#here", "docs/guide/start.md"),
        ("docs/guide/start.md", "../../assets/logo.png", "assets/logo.png"),
        ("docs/guide/start.md", "../../../README.md", None),
        ("docs/guide/start.md", "missing.md", None),
        ("docs/guide/start.md", "", None),
        ("README.md", "docs", "docs/index.md"),
        ("README.md", "docs/guide/start/", "docs/guide/start.md"),
        ("README.md", "https://a.example/README.md", None),
        ("README.md", "//a.example/README.md", None),
        ("README.md", "mailto:README.md", None),
    ],
)
def test_link_resolves_by_path(from_key: str, target: str, expected: str | None) -> None:
    assert RESOLVER.resolve(from_key, "link", target) == expected


@pytest.mark.parametrize(
    ("from_key", "target", "expected"),
    [
        ("README.md", "start", "docs/guide/start.md"),
        ("README.md", "START#Heading", "docs/guide/start.md"),
        ("README.md", "start.md", "docs/guide/start.md"),
        ("README.md", "guide/start", "docs/guide/start.md"),
        ("README.md", "docs/guide/start", "docs/guide/start.md"),
        ("README.md", "ide/start", None),
        ("README.md", "v1.2 notes", "docs/guide/v1.2 notes.md"),
        ("README.md", "über uns", "docs/guide/Über uns.md"),
        ("README.md", "logo.png", "assets/logo.png"),
        ("README.md", "one", None),
        ("docs/other/two.md", "one", "docs/other/one.md"),
        ("README.md", "api/one", "docs/api/one.md"),
        ("README.md", "SAME", "docs/SAME.md"),
        ("README.md", "Same", None),
        ("docs/api/one.md", "../guide/start", "docs/guide/start.md"),
        ("docs/api/one.md", "#here", "docs/api/one.md"),
        ("README.md", "nowhere", None),
    ],
)
def test_wikilink_resolves_to_the_only_page_of_its_name(from_key: str, target: str, expected: str | None) -> None:
    assert RESOLVER.resolve(from_key, "wikilink", target) == expected


def test_links_of_the_corpus_resolve() -> None:
    resolver = LinkResolver(FILES)
    unresolved = [
        (key, link.target)
        for key, content in FILES.items()
        for link in parse(key, content, "text/markdown").links
        if resolver.resolve(key, link.kind, link.target) is None
    ]
    assert sorted(unresolved) == [
        ("README.md", "https://support.larder.example/new"),
        ("runbooks/On call.md", "runbooks/Handover template"),
    ]


@given(
    st.sampled_from(KEYS), st.sampled_from(["link", "wikilink"]), st.text(alphabet="ab./#?%20\\:|é[]\n", max_size=20)
)
def test_any_target_resolves_to_a_key_or_none(from_key: str, kind: str, target: str) -> None:
    assert RESOLVER.resolve(from_key, kind, target) in {*KEYS, None}


PIECES = [
    "/",
    "../",
    "./",
    "docs",
    "api",
    "one",
    "README",
    "same",
    "Ü",
    "u\u0308",
    ".md",
    ".MDX",
    "%2F",
    "%00",
    "#x",
    "?",
    " ",
]


@given(st.sampled_from(KEYS), st.sampled_from(["link", "wikilink"]), st.lists(st.sampled_from(PIECES + KEYS)))
def test_resolver_with_only_possible_names_gives_the_same_result(from_key: str, kind: str, pieces: list[str]) -> None:
    target = "".join(pieces)
    names = possible_names([(from_key, kind, target)])
    small_resolver = LinkResolver(key for key in KEYS if not key.isascii() or key.rpartition("/")[2].lower() in names)
    assert small_resolver.resolve(from_key, kind, target) == RESOLVER.resolve(from_key, kind, target)


def resolve_all(source: Links) -> list[str | None]:
    resolver = LinkResolver(source.keys)
    return [resolver.resolve(*link) for link in source.links]


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", LINKS)
def test_resolving_adversarial_links_takes_linear_time(name: str) -> None:
    check_linear(resolve_all, LINKS[name], smallest=500, largest=16_000)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", LINKS)
def test_finding_possible_names_takes_linear_time(name: str) -> None:
    check_linear(lambda source: possible_names(source.links), LINKS[name], smallest=500, largest=16_000)


def test_site_root_is_at_most_16_folders_deep() -> None:
    deep = "/".join("abcdefghijklmnopq")
    keys = [f"{deep}/page.md", f"{deep[:-2]}/other.md", f"{deep}/other.md"]
    resolver = LinkResolver(keys)
    assert resolver.resolve(keys[0], "link", "/other") == keys[1]
    assert LinkResolver(keys[:1] + keys[2:]).resolve(keys[0], "link", "/other") is None
