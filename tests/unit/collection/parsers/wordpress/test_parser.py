"""WordPress exports: posts as sections, both editors' content, what isn't published, damaged files."""

import pytest

from functions.collection.parsers.choose import true_parser
from functions.collection.parsers.wordpress.parser import parse
from headwater.errors import PermanentError
from headwater.parsers import check_parsed
from tests.fakes.wordpress_export import HEAD, export, item

BLOCKS = "<!-- wp:heading -->\n<h2>Part</h2>\n<!-- /wp:heading -->\n<!-- wp:paragraph -->\n<p>One</p>\n<!-- /wp -->"
CLASSIC = 'First line\nsecond line\n\n[caption id="a" width="1"]A <b>bold</b> end[/caption]\n\n<ul><li>item</li></ul>'


def test_published_posts_are_sections() -> None:
    parsed = parse("a.xml", export(item("One &amp;amp; all", BLOCKS), item("Two", CLASSIC, post_type="page")), "")
    check_parsed(parsed)
    about = "2024-05-06\nann\nPumps, yard\nhttps://x.y/"
    assert parsed.title == "Pumps & Co"
    assert parsed.text == (
        f"# One & all\n\n{about}{len(BLOCKS)}\n\n### Part\n\nOne\n\n"
        f"# Two\n\n{about}{len(CLASSIC)}\n\nFirst line\nsecond line\n\nA bold end\n\n- item"
    )


def test_what_is_not_published_is_left_out() -> None:
    hidden = [
        item("a", "x", status="draft"),
        item("b", "x", status="private"),
        item("c", "x", post_password="p"),
        item("d", "x", post_type="attachment"),
        item("e", "x", post_type="revision"),
    ]
    assert parse("a.xml", export(*hidden, item("Shown", "text")), "").text.count("# ") == 1
    with pytest.raises(PermanentError, match="no published posts"):
        parse("a.xml", export(*hidden), "")


def test_damaged_exports_keep_what_comes_before() -> None:
    whole = export(item("One", "first"), item("Two", "second"))
    parsed = parse("a.xml", whole[: whole.index(b"second")], "")
    assert "# One" in parsed.text
    assert parsed.warnings == ("the file is damaged: what comes after the damage was not read",)


def test_hostile_exports_are_bounded() -> None:
    bomb = HEAD.replace("<rss", '<!DOCTYPE rss [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>\n<rss')
    assert "aaaa" not in parse("a.xml", f"{bomb}{item('&b;', 'x')}</channel></rss>".encode(), "").text
    nested = parse("a.xml", export(item("One", "<div>" * 20_000 + "[" * 50_000 + "\n" * 50_000)), "")
    assert nested.text.startswith("# One")
    with pytest.raises(PermanentError, match="not an export of WordPress"):
        parse("a.wxr", b"<?xml version='1.0'?><rss/>", "")


def test_xml_files_are_recognised_by_their_namespace() -> None:
    assert true_parser("markdown", export()) == "wordpress"
    assert true_parser("markdown", b"<?xml version='1.0'?><rss/>") == "markdown"
    assert true_parser("markdown", b"See http://wordpress.org/export/") == "markdown"
