"""Feeds as they are found in the field: 60 oddities, and the entries that are read of each."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from functions.collection.connectors.feed.entries import FeedDocument
from headwater.config import minimal_environment
from headwater.processes.process import ChildProcess

URL = "https://blog.example/posts/feed.xml"
RSS = "application/rss+xml"


def rss(
    items: str, head: str = '<?xml version="1.0" encoding="utf-8"?>', attributes: str = "", channel: str = ""
) -> str:
    return f'{head}<rss version="2.0" {attributes}><channel><title>Blog</title>{channel}{items}</channel></rss>'


def atom(entries: str, attributes: str = "", head: str = "") -> str:
    return f'{head}<feed xmlns="http://www.w3.org/2005/Atom" {attributes}><title>Blog</title>{entries}</feed>'


def item(rest: str = "", title: str = "One", guid: str = "id-1", link: str = "https://blog.example/1") -> str:
    return f"<item><title>{title}</title><guid isPermaLink='false'>{guid}</guid><link>{link}</link>{rest}</item>"


def entry(rest: str = "", title: str = "One", link: str = '<link href="https://blog.example/1"/>') -> str:
    return f"<entry><id>id-1</id><title>{title}</title>{link}{rest}</entry>"


def json_feed(**fields: Any) -> str:
    one = {"id": "id-1", "url": "https://blog.example/1", "title": "One", **fields}
    version = "https://jsonfeed.org/version/1.1"
    return json.dumps({"version": version, "title": "Blog", "items": [{k: v for k, v in one.items() if v is not None}]})


CONTENT = 'xmlns:content="http://purl.org/rss/1.0/modules/content/"'
ONE = {"key": "id-1", "title": "One", "link": "https://blog.example/1"}
BODY = "<p>Über &amp; unter</p>"
ESCAPED = "&lt;p&gt;Über &amp;amp; unter&lt;/p&gt;"
XHTML = '<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>Über &amp; unter</p></div></content>'
RDF = (
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/">'
    '<channel rdf:about="x"><title>Blog</title></channel>'
    '<item rdf:about="id-1"><title>One</title><link>https://blog.example/1</link></item></rdf:RDF>'
)
BOMB = '<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "aaaaaaaaaa">' + "".join(
    f'<!ENTITY {name} "{("&" + before + ";") * 10}">' for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)

# name: content, media type, and the fields of the entries
FEEDS: dict[str, tuple[str | bytes, str, list[dict[str, Any]]]] = {
    "rss 2.0": (rss(item()), RSS, [ONE]),
    "rss 0.91": (rss(item()).replace('"2.0"', '"0.91"'), RSS, [ONE]),
    "rss without a version": (rss(item()).replace(' version="2.0"', ""), RSS, [ONE]),
    "rss 1.0": (RDF, "application/rdf+xml", [ONE]),
    "atom 1.0": (atom(entry()), "application/atom+xml", [ONE]),
    "atom 0.3": (atom(entry()).replace("http://www.w3.org/2005/Atom", "http://purl.org/atom/ns#"), RSS, [ONE]),
    "json feed": (json_feed(), "application/feed+json", [ONE]),
    "sent as text": (rss(item()), "text/plain", [ONE]),
    "sent as html": (rss(item()), "text/html; charset=utf-8", [ONE]),
    "without a media type": (rss(item()), "", [ONE]),
    "sent as bytes": (rss(item()), "application/octet-stream", [ONE]),
    "json sent as text": (json_feed(), "text/plain", [ONE]),
    "byte order mark": (b"\xef\xbb\xbf" + rss(item(title="Über")).encode(), RSS, [{"title": "Über"}]),
    "json with a byte order mark": (b"\xef\xbb\xbf" + json_feed().encode(), "application/json", [ONE]),
    "spaces before the declaration": ("\n\n  " + rss(item()), RSS, [ONE]),
    "utf-16": (
        rss(item(title="Über"), '<?xml version="1.0" encoding="utf-16"?>').encode("utf-16"),
        RSS,
        [{"title": "Über"}],
    ),
    "utf-8 declared latin-1": (
        rss(item(title="Über"), '<?xml version="1.0" encoding="iso-8859-1"?>').encode(),
        "application/rss+xml; charset=utf-8",
        [{"title": "Über"}],
    ),
    "latin-1 declared utf-8": (rss(item(title="Über")).encode("latin-1"), RSS, [{"title": "Über"}]),
    "windows-1252": (
        rss(item(title="“Über”"), '<?xml version="1.0" encoding="windows-1252"?>').encode("cp1252"),
        RSS,
        [{"title": "“Über”"}],
    ),
    "shift_jis": (
        rss(item(title="日本"), '<?xml version="1.0" encoding="shift_jis"?>').encode("cp932"),
        RSS,
        [{"title": "日本"}],
    ),
    "unknown encoding": (rss(item(), '<?xml version="1.0" encoding="nonsense"?>'), RSS, [ONE]),
    "control characters": (rss(item(title="O\x0bne")).encode(), RSS, [{"key": "id-1"}]),
    "NUL character": (rss(item(title="O\0ne")).encode(), RSS, [{"key": "id-1"}]),
    "html entities without a DTD": (rss(item(title="caf&eacute;&nbsp;bar")), RSS, [{"title": "café bar"}]),
    "unescaped ampersand": (rss(item(title="Q&A")), RSS, [{"key": "id-1"}]),
    "title escaped twice": (rss(item(title="Q &amp;amp; A")), RSS, [{"title": "Q & A"}]),
    "html in the title": (rss(item(title="&lt;b&gt;One&lt;/b&gt;")), RSS, [ONE]),
    "title with line breaks": (rss(item(title="\n One\n  and two ")), RSS, [{"title": "One and two"}]),
    "unclosed element": (rss(item("<category>a")), RSS, [ONE]),
    "ends early": (rss(item() + "<item><title>Two").partition("</channel>")[0], RSS, [ONE]),
    "junk after the end": (rss(item()) + "<!-- served in 3 ms --><script>x</script>", RSS, [ONE]),
    "prefix without a namespace": (rss(item("<media:thumbnail url='x'/><dc:creator>Ada</dc:creator>")), RSS, [ONE]),
    "CDATA": (rss(item("<description><![CDATA[<p>Über &amp; unter</p>]]></description>")), RSS, [{"html": BODY}]),
    "escaped html": (rss(item(f"<description>{ESCAPED}</description>")), RSS, [{"html": BODY}]),
    "content:encoded beside a description": (
        rss(item(f"<description>Short</description><content:encoded>{ESCAPED}</content:encoded>"), attributes=CONTENT),
        RSS,
        [{"html": BODY, "has_content": True}],
    ),
    "content:encoded before the description": (
        rss(item(f"<content:encoded>{ESCAPED}</content:encoded><description>Short</description>"), attributes=CONTENT),
        RSS,
        [{"html": BODY, "has_content": True}],
    ),
    "description that is cut": (rss(item("<description>Begins here […]</description>")), RSS, [{"ends_cut": True}]),
    "atom xhtml": (atom(entry(XHTML)), RSS, [{"has_content": True, "text_chars": 12}]),
    "atom html": (atom(entry(f'<content type="html">{ESCAPED}</content>')), RSS, [{"html": BODY}]),
    "atom text": (atom(entry('<content type="text">a &lt; b</content>')), RSS, [{"html": "<p>a &lt; b</p>"}]),
    "atom summary only": (
        atom(entry("<summary>Short</summary>")),
        RSS,
        [{"html": "<p>Short</p>", "has_content": False}],
    ),
    "json text": (json_feed(content_text="a < b\n\nc"), "", [{"html": "<p>a &lt; b</p><p>c</p>"}]),
    "json html": (json_feed(content_html=BODY, tags=["a", 1]), "", [{"html": BODY, "tags": ("a",)}]),
    "json with a number as id": (json_feed(id=7), "", [{"key": "7"}]),
    "json without ids": (json_feed(id=None), "", [{"key": "https://blog.example/1"}]),
    "json with null fields": (json_feed(title=None, content_text="First words."), "", [{"title": "First words."}]),
    "guid that is a permalink": (
        rss("<item><title>One</title><guid>https://blog.example/1</guid></item>"),
        RSS,
        [{"key": "https://blog.example/1", "link": "https://blog.example/1"}],
    ),
    "no guid": (
        rss("<item><title>One</title><link>https://blog.example/1</link></item>"),
        RSS,
        [{"key": "https://blog.example/1"}],
    ),
    "neither guid nor link": (
        rss("<item><title>One</title><description>x</description></item>"),
        RSS,
        [{"key": "927bd247d2763c5d672058ce5277ebc7e0f5973b", "link": ""}],
    ),
    "guid twice": (rss(item(title="New") + item(title="Old")), RSS, [{"title": "New"}]),
    "one guid for all": (
        rss(item(title="New", link="https://blog.example/2") + item(title="Old")),
        RSS,
        [{"key": "https://blog.example/2", "title": "New"}, {"key": "https://blog.example/1", "title": "Old"}],
    ),
    "guid of 3,000 characters": (rss(item(guid="x" * 3_000)), RSS, [{"key": "https://blog.example/1"}]),
    "relative link": (rss(item(link="/1")), RSS, [{"link": "https://blog.example/1"}]),
    "link with spaces around": (rss(item(link="\n https://blog.example/1 \n")), RSS, [ONE]),
    "xml:base": (
        atom(entry(link='<link href="1"/>'), 'xml:base="https://blog.example/"'),
        RSS,
        [{"link": "https://blog.example/1"}],
    ),
    "relative xml:base": (
        atom(entry('<content type="html" xml:base="images/">x</content>', link='<link href="1"/>'), 'xml:base="/b/"'),
        RSS,
        [{"link": "https://blog.example/b/1"}],
    ),
    "atom link of another relation first": (
        atom(entry(link='<link rel="edit" href="https://blog.example/edit"/><link href="https://blog.example/1"/>')),
        RSS,
        [ONE],
    ),
    "date with a zone": (
        rss(item("<pubDate>Mon, 01 Jan 2024 10:00:00 +0200</pubDate>")),
        RSS,
        [{"published": "2024-01-01T08:00:00Z"}],
    ),
    "emoji in two halves": (rss(item(title="&#xD83D;&#xDE00; &#55357;&#56832; One")), RSS, [{"title": "😀 😀 One"}]),
    "half of an emoji": (
        rss(item(title="&#xD83D; One") + item(title="Two", guid="id-2")),
        RSS,
        [{"title": "\ufffd One"}, {"title": "Two", "key": "id-2"}],
    ),
    "encoding that is no text": (
        rss(item(), head="").encode().join((b'<?xml version="1.0" encoding="utf-8\xff"?>', b"")),
        RSS,
        [ONE],
    ),
    "JSON with half of an emoji": (json_feed(id="id-1\ud83d"), "application/json", [{"key": "id-1", "title": "One"}]),
    "date that is none": (rss(item("<pubDate>yesterday</pubDate>")), RSS, [{"published": ""}]),
    "no entries": (rss(""), RSS, []),
    "1,500 entries": (
        rss("".join(item(guid=f"id-{n}") for n in range(1_500))),
        RSS,
        [{"key": f"id-{n}"} for n in range(1_000)],
    ),
    "entities that expand": (BOMB + f"]>{rss(item(title='&i;'), '')}", RSS, [{"key": "id-1"}]),
    "external entity": (
        '<?xml version="1.0"?><!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + rss(item(title="&x; One"), ""),
        RSS,
        [{"key": "id-1"}],
    ),
}


@pytest.fixture(scope="module")
def reader() -> Iterator[ChildProcess]:
    target = "functions.collection.connectors.feed.read:FeedReader"
    with ChildProcess(target, (), name="The feed reader", environment=minimal_environment()) as process:
        yield process


def read(reader: ChildProcess, content: str | bytes, media_type: str) -> FeedDocument:
    sent = content if isinstance(content, bytes) else content.encode()
    return reader.call("read", sent, media_type, URL, kind=FeedDocument, timeout_s=30, cpu_s=10, max_bytes=64_000_000)


@pytest.mark.parametrize("name", FEEDS)
def test_feed_is_read_in_spite_of(name: str, reader: ChildProcess) -> None:
    content, media_type, expected = FEEDS[name]
    feed = read(reader, content, media_type)
    assert feed.is_feed
    found = [
        {field: getattr(one, field) for field in fields} for one, fields in zip(feed.entries, expected, strict=True)
    ]
    assert found == expected
    assert "root:" not in str(feed)


@pytest.mark.parametrize(
    ("page", "links"),
    [
        ('<link rel="alternate" type="application/rss+xml" href="rss">', ["https://blog.example/posts/rss"]),
        ('<base href="/b/"><link rel="Alternate" type="application/atom+xml" href="a">', ["https://blog.example/b/a"]),
        ('<link rel="alternate" type="application/feed+json" href="//cdn.example/f">', ["https://cdn.example/f"]),
        (
            '<link rel="alternate" type="application/rss+xml" title="Comments" href="c"/>'
            '<link rel="alternate" type="application/rss+xml" href="p"/>',
            ["https://blog.example/posts/p", "https://blog.example/posts/c"],
        ),
        ('<link rel="stylesheet" type="text/css" href="a.css"><link rel="alternate" hreflang="de" href="/de">', []),
        ('{"items": []}', []),
    ],
)
def test_links_to_feeds_of_a_page_are_found(page: str, links: list[str], reader: ChildProcess) -> None:
    found = read(reader, page if page.startswith("{") else f"<html><head>{page}</head><body>x", "text/html")
    assert (found.is_feed, [link.url for link in found.links]) == (False, links)
