"""Resolution of links to documents, as published sites and Obsidian resolve them."""

import re
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from functions.collection.pipeline.addresses import addresses, has_other_names, hyphenate, last_names
from functions.collection.pipeline.link import ANY_NAME, NAMED_PART
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
RESOLVER = LinkResolver({key: {} for key in KEYS})


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
        ("README.md", "one", "docs/api/one.md"),
        ("docs/other/two.md", "one", "docs/other/one.md"),
        ("README.md", "api/one", "docs/api/one.md"),
        ("README.md", "SAME", "docs/SAME.md"),
        ("README.md", "Same", "docs/SAME.md"),
        ("docs/api/one.md", "../guide/start", "docs/guide/start.md"),
        ("docs/api/one.md", "#here", "docs/api/one.md"),
        ("README.md", "nowhere", None),
    ],
)
def test_wikilink_resolves_to_the_nearest_page_of_its_name(from_key: str, target: str, expected: str | None) -> None:
    assert RESOLVER.resolve(from_key, "wikilink", target) == expected


WIKI: dict[str, dict[str, Any]] = {
    "Home.md": {},
    "Pump-Guide.md": {},
    "parts/Pump-Guide-2.md": {},
    "Valve list.md": {"aliases": ["Old name"]},
    "Old-name.md": {},
}
HUGO: dict[str, dict[str, Any]] = {
    "content/_index.md": {},
    "content/posts/_index.md": {},
    "content/posts/first.md": {"slug": "one", "aliases": ["/old/first/", "former/"]},
    "content/posts/bundle/index.md": {"url": "/moved/bundle/"},
    "content/docs/first-steps.md": {},
}
ZOLA: dict[str, dict[str, Any]] = {
    "content/blog/2024-01-02-news.md": {"aliases": ["old/news"]},
    "content/blog/about.md": {"path": "about-us"},
    "content/help/_index.md": {},
}
JEKYLL: dict[str, dict[str, Any]] = {
    "_posts/2024-01-02-news.md": {},
    "_docs/install.md": {},
    "pages/contact.md": {"permalink": "/contact/"},
    "guide/start.md": {"redirect_from": ["/begin", "/older/start.html"]},
}
DOCUSAURUS: dict[str, dict[str, Any]] = {
    "docs/01-intro/index.md": {},
    "docs/01-intro/02-install.mdx": {},
    "docs/02-usage/usage.md": {},
    "docs/02-usage/03. logs.md": {"slug": "log-files"},
    "docs/02-usage/limits.md": {"slug": "/limits"},
    "docs/welcome.md": {"slug": "/"},
    "blog/2024-01-02-news.md": {},
}
LOGSEQ: dict[str, dict[str, Any]] = {
    "pages/Project___Plan.md": {"alias": ["The plan", "roadmap"]},
    "pages/Plan%2FOld.md": {},
    "pages/notes.md": {"title": "Notes of all kinds"},
    "journals/2024_01_02.md": {},
    "journals/2024_11_13.md": {},
}
OBSIDIAN: dict[str, dict[str, Any]] = {
    "da/Settings/Lamps.md": {},
    "sv/Settings/Lamps.md": {},
    "sv/Settings/Old/Lamps.md": {},
    "da/Start/First.md": {"aliases": ["Begin here"]},
    "sv/Start.md": {},
    "Deep/v1.2 notes.md": {},
    "Lamps/Old.md": {},
    "sv/Lamps/Old.md": {},
}
BOOK: dict[str, dict[str, Any]] = {
    "src/ch01.md": {},
    "src/ch02.md": {},
    "src/guide/a.md": {},
    "src/api/b.md": {},
    "src/api/README.md": {},
    "src/plain.html": {},
}


@pytest.mark.parametrize(
    ("documents", "from_key", "target", "expected"),
    [
        (BOOK, "src/ch01.md", "ch02.html#x", "src/ch02.md"),
        (BOOK, "src/guide/a.md", "/api/b.html#y", "src/api/b.md"),
        (BOOK, "src/guide/a.md", "../api/index.html", "src/api/README.md"),
        (BOOK, "src/guide/a.md", "/API/B.HTML?x", "src/api/b.md"),
        (BOOK, "src/ch01.md", "plain.html", "src/plain.html"),
        (BOOK, "src/ch01.md", "ch03.html", None),
        (BOOK, "src/ch01.md", "b.md", None),
        (BOOK, "src/guide/a.md", "src/api/b.md", "src/api/b.md"),
        (HUGO, "content/docs/first-steps.md", '{{< ref "/posts/first" >}}', "content/posts/first.md"),
        (HUGO, "content/docs/first-steps.md", '{{< relref "posts/first.md#a" >}}', "content/posts/first.md"),
        (HUGO, "content/posts/bundle/index.md", "{{% ref first.md %}}", "content/posts/first.md"),
        (HUGO, "content/posts/first.md", '{{< ref "first-steps" >}}', "content/docs/first-steps.md"),
        (HUGO, "content/posts/first.md", '{{< ref "/posts/bundle" >}}', "content/posts/bundle/index.md"),
        (HUGO, "content/posts/first.md", '{{< ref "posts" >}}', "content/posts/_index.md"),
        (HUGO, "content/posts/first.md", '{{< ref "#here" >}}', "content/posts/first.md"),
        (HUGO, "content/posts/first.md", '{{< ref "missing" >}}', None),
        (HUGO, "content/docs/first-steps.md", "/posts/one/#a", "content/posts/first.md"),
        (HUGO, "content/docs/first-steps.md", "/old/first", "content/posts/first.md"),
        (HUGO, "content/docs/first-steps.md", "/posts/former/", "content/posts/first.md"),
        (HUGO, "content/docs/first-steps.md", "/moved/bundle", "content/posts/bundle/index.md"),
        (HUGO, "content/posts/first.md", "../../docs/first-steps/", "content/docs/first-steps.md"),
        (HUGO, "content/posts/first.md", "../bundle/", "content/posts/bundle/index.md"),
        (ZOLA, "content/help/_index.md", "@/blog/2024-01-02-news.md#a", "content/blog/2024-01-02-news.md"),
        (ZOLA, "content/help/_index.md", "/blog/news/", "content/blog/2024-01-02-news.md"),
        (ZOLA, "content/help/_index.md", "/old/news", "content/blog/2024-01-02-news.md"),
        (ZOLA, "content/help/_index.md", "/about-us/", "content/blog/about.md"),
        (ZOLA, "content/blog/about.md", "@/help/_index.md", "content/help/_index.md"),
        (ZOLA, "content/blog/about.md", "@/help/missing.md", None),
        (JEKYLL, "guide/start.md", "{% link _posts/2024-01-02-news.md %}", "_posts/2024-01-02-news.md"),
        (JEKYLL, "guide/start.md", "{{ site.baseurl }}{% post_url 2024-01-02-news %}#a", "_posts/2024-01-02-news.md"),
        (JEKYLL, "guide/start.md", "{{ site.baseurl }}/2024/01/02/news.html", "_posts/2024-01-02-news.md"),
        (JEKYLL, "guide/start.md", "{{ 'docs/install' | relative_url }}", "_docs/install.md"),
        (JEKYLL, "_docs/install.md", "/contact/", "pages/contact.md"),
        (JEKYLL, "_docs/install.md", "/begin", "guide/start.md"),
        (JEKYLL, "_docs/install.md", "/older/start.html", "guide/start.md"),
        (JEKYLL, "_docs/install.md", "{% link missing.md %}", None),
        (JEKYLL, "guide/start.md", "{%-  link '_posts/2024-01-02-news.md'  -%}", "_posts/2024-01-02-news.md"),
        (JEKYLL, "guide/start.md", "{% link _posts/2024-01-02-news.md -%}", "_posts/2024-01-02-news.md"),
        (JEKYLL, "_docs/install.md", "{% include start.md %}", None),
        (DOCUSAURUS, "docs/02-usage/usage.md", "/docs/intro/install", "docs/01-intro/02-install.mdx"),
        (DOCUSAURUS, "docs/02-usage/usage.md", "../intro/install#a", "docs/01-intro/02-install.mdx"),
        (DOCUSAURUS, "docs/02-usage/usage.md", "../01-intro/02-install.mdx", "docs/01-intro/02-install.mdx"),
        (DOCUSAURUS, "docs/02-usage/usage.md", "@site/docs/01-intro/index.md", "docs/01-intro/index.md"),
        (DOCUSAURUS, "docs/02-usage/usage.md", "/docs/intro/", "docs/01-intro/index.md"),
        (DOCUSAURUS, "docs/01-intro/index.md", "/docs/usage", "docs/02-usage/usage.md"),
        (DOCUSAURUS, "docs/01-intro/index.md", "/docs/usage/log-files", "docs/02-usage/03. logs.md"),
        (DOCUSAURUS, "docs/01-intro/index.md", "/docs/limits", "docs/02-usage/limits.md"),
        (DOCUSAURUS, "docs/02-usage/limits.md", "usage/log-files", "docs/02-usage/03. logs.md"),
        (DOCUSAURUS, "docs/01-intro/index.md", "/blog/2024/01/02/news", "blog/2024-01-02-news.md"),
        (DOCUSAURUS, "docs/01-intro/index.md", "/docs/", "docs/welcome.md"),
        (DOCUSAURUS, "docs/01-intro/index.md", "install.md", None),
        (LOGSEQ, "pages/notes.md", "[[project/plan]]", "pages/Project___Plan.md"),
    ],
)
def test_link_resolves_as_its_tool_does(
    documents: dict[str, Any], from_key: str, target: str, expected: str | None
) -> None:
    assert LinkResolver(documents).resolve(from_key, "link", target) == expected


@pytest.mark.parametrize(
    ("documents", "from_key", "target", "expected"),
    [
        (LOGSEQ, "pages/notes.md", "Project/Plan", "pages/Project___Plan.md"),
        (LOGSEQ, "pages/notes.md", "plan/old", "pages/Plan%2FOld.md"),
        (LOGSEQ, "journals/2024_01_02.md", "the plan", "pages/Project___Plan.md"),
        (LOGSEQ, "journals/2024_01_02.md", "Roadmap", "pages/Project___Plan.md"),
        (LOGSEQ, "journals/2024_01_02.md", "Notes of all kinds", "pages/notes.md"),
        (LOGSEQ, "pages/notes.md", "Jan 2nd, 2024", "journals/2024_01_02.md"),
        (LOGSEQ, "pages/notes.md", "Nov 13th, 2024", "journals/2024_11_13.md"),
        (LOGSEQ, "pages/notes.md", "Nov 14th, 2024", None),
        (OBSIDIAN, "da/Start/First.md", "Lamps", "da/Settings/Lamps.md"),
        (OBSIDIAN, "sv/Start.md", "lamps", "sv/Settings/Lamps.md"),
        (OBSIDIAN, "sv/Settings/Old/a.md", "Lamps#Heading", "sv/Settings/Old/Lamps.md"),
        (OBSIDIAN, "Deep/v1.2 notes.md", "Lamps", "da/Settings/Lamps.md"),
        (OBSIDIAN, "Deep/v1.2 notes.md", "sv/Settings/Lamps", "sv/Settings/Lamps.md"),
        (OBSIDIAN, "Deep/v1.2 notes.md", "/sv/Settings/Lamps.md", "sv/Settings/Lamps.md"),
        (OBSIDIAN, "sv/Settings/Old/a.md", "old/lamps", "sv/Settings/Old/Lamps.md"),
        (OBSIDIAN, "sv/Settings/Old/a.md", "Lamps/Old", "Lamps/Old.md"),
        (OBSIDIAN, "sv/Start.md", "V1.2 Notes^block", None),
        (OBSIDIAN, "sv/Start.md", "V1.2 Notes#^block", "Deep/v1.2 notes.md"),
        (OBSIDIAN, "sv/Start.md", "Begin here", "da/Start/First.md"),
        (OBSIDIAN, "sv/Start.md", "toc", None),
        (WIKI, "Home.md", "Pump guide", "Pump-Guide.md"),
        (WIKI, "Home.md", "pump-guide", "Pump-Guide.md"),
        (WIKI, "Home.md", "Pump Guide 2#Valves", "parts/Pump-Guide-2.md"),
        (WIKI, "Home.md", "Valve-list", "Valve list.md"),
        (WIKI, "Home.md", "Old name", "Valve list.md"),
        (WIKI, "Home.md", "Pump guide 3", None),
    ],
)
def test_wikilink_resolves_as_its_tool_does(
    documents: dict[str, Any], from_key: str, target: str, expected: str | None
) -> None:
    assert LinkResolver(documents).resolve(from_key, "wikilink", target) == expected


def test_url_of_two_documents_resolves_to_the_nearest() -> None:
    documents = {"en/a.md": {"aliases": ["/old/"]}, "fr/a.md": {"aliases": ["/old/"]}, "fr/b.md": {}}
    assert LinkResolver(documents).resolve("fr/b.md", "link", "/old") == "fr/a.md"


def test_path_of_two_documents_resolves_to_the_first() -> None:
    """Not to none: a link without a target would not follow when the other document gets another path."""
    assert LinkResolver({"1-a.md": {}, "2-a.md": {}, "b.md": {}}).resolve("b.md", "link", "a") == "1-a.md"


def test_links_of_the_corpus_resolve() -> None:
    resolver = LinkResolver({key: {} for key in FILES})
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


ALL = {**WIKI, **{key: {} for key in KEYS}, **HUGO, **ZOLA, **JEKYLL, **DOCUSAURUS, **LOGSEQ, **OBSIDIAN, **BOOK}
ALL_RESOLVER = LinkResolver(ALL)
LINKS_TO_ALL = st.tuples(
    st.sampled_from([*ALL]),
    st.sampled_from(["link", "wikilink"]),
    st.lists(st.sampled_from([*PIECES, *ALL, *(own for key in ALL for own in addresses(key, ALL[key]).urls)])).map(
        "".join
    )
    | st.sampled_from([name for key in ALL for name in addresses(key, ALL[key]).names])
    | st.sampled_from(
        ["Pump Guide", "Pump-Guide", "pump guide-2", "parts/Pump Guide 2", "valve-list", "Valve-List.md"]
    ),
)


@settings(max_examples=300)
@given(LINKS_TO_ALL)
@example(("docs/02-usage/limits.md", "link", "./"))
@example(("docs/01-intro/02-install.mdx", "link", "../02-usage/index.html"))
def test_resolver_with_only_possible_names_gives_the_same_result(link: tuple[str, str, str]) -> None:
    names = possible_names([link])
    small = {
        key: ALL[key]
        for key in ALL
        if has_other_names(key, ALL[key]) or hyphenate(key.rpartition("/")[2].lower()) in names
    }
    assert LinkResolver(small).resolve(*link) == ALL_RESOLVER.resolve(*link)


@settings(max_examples=300)
@given(LINKS_TO_ALL)
def test_name_of_a_links_document_is_in_its_target(link: tuple[str, str, str]) -> None:
    """As the query for the links that a changed document may affect relies on."""
    from_key, _, target = link
    key = ALL_RESOLVER.resolve(*link)
    if key is not None and key != from_key and not re.search(ANY_NAME, target, re.IGNORECASE):
        named = re.search(NAMED_PART, target)
        assert named
        part = target if "{" in target else named[0]
        names = last_names(key, addresses(key, ALL[key]))
        assert any(hyphenate(name) in hyphenate(part.lower()) for name in names if name)


def resolve_all(source: Links) -> list[str | None]:
    resolver = LinkResolver(source.documents)
    return [resolver.resolve(*link) for link in source.links]


@pytest.mark.sampled(9)
@pytest.mark.parametrize("name", LINKS)
def test_resolving_adversarial_links_takes_linear_time(name: str) -> None:
    check_linear(resolve_all, LINKS[name], smallest=500, largest=16_000)


@pytest.mark.parametrize("unit", [" ", "a ", "a", "-", "' ", '"', "|", "path="])
@pytest.mark.parametrize("tag", ["{% link ", "{%- post_url", "{{< ref ", "{{% relref", "{{ 'a' ", "{{ 'a' | "])
def test_reading_an_unclosed_tag_takes_linear_time(tag: str, unit: str) -> None:
    check_linear(
        lambda target: LinkResolver({"page.md": {}}).resolve("page.md", "link", target),
        lambda size: tag + unit * (size // len(unit)),
        largest=64_000,
    )


@pytest.mark.sampled(9)
@pytest.mark.parametrize("name", LINKS)
def test_finding_possible_names_takes_linear_time(name: str) -> None:
    check_linear(lambda source: possible_names(source.links), LINKS[name], smallest=2_000, largest=16_000)


def test_site_root_is_at_most_16_folders_deep() -> None:
    deep = "/".join("abcdefghijklmnopq")
    keys = [f"{deep}/page.md", f"{deep[:-2]}/other.md", f"{deep}/other.md"]
    resolver = LinkResolver({key: {} for key in keys})
    assert resolver.resolve(keys[0], "link", "/other") == keys[1]
    assert LinkResolver({key: {} for key in keys[:1] + keys[2:]}).resolve(keys[0], "link", "/other") is None
