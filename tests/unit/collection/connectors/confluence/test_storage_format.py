"""Confluence's storage format as HTML, then as Markdown by the parser of HTML."""

import pytest

from functions.collection.connectors.confluence.storage_format import page_address, to_html
from functions.collection.parsers.html.parser import parse


def markdown(storage: str) -> str:
    return parse("page", to_html(storage, "Title", "ENG", "2024-02-01T10:00:00.000Z"), "text/html; charset=utf-8").text


def macro(name: str, body: str, **parameters: str) -> str:
    inner = "".join(f'<ac:parameter ac:name="{key}">{value}</ac:parameter>' for key, value in parameters.items())
    return f'<ac:structured-macro ac:name="{name}" ac:schema-version="1">{inner}{body}</ac:structured-macro>'


CODE = "<ac:plain-text-body><![CDATA[if a < b && c:\n    d()]]></ac:plain-text-body>"
RICH = "<ac:rich-text-body><p>Oil it.</p></ac:rich-text-body>"


@pytest.mark.parametrize(
    ("storage", "text"),
    [
        (macro("code", CODE, language="python", title="x"), "```python\nif a < b && c:\n    d()\n```"),
        (macro("noformat", CODE), "```\nif a < b && c:\n    d()\n```"),
        (macro("info", RICH), "> Oil it."),
        (macro("panel", RICH, title="Care", bgColor="#fff"), "> Care\n\n> Oil it."),
        (macro("expand", RICH, title="More"), "More\n\nOil it."),
        (f"<p>A</p>{macro('toc', '', maxLevel='3')}<p>B</p>", "A\n\nB"),
        (f"<p>State: {macro('status', '', title='DONE', colour='Green')}</p>", "State: DONE"),
        (
            '<p>See <ac:link><ri:page ri:content-title="A &amp; B"/><ac:plain-text-link-body><![CDATA[the <page>]]>'
            "</ac:plain-text-link-body></ac:link> now.</p>",
            "See [the \\<page>](/ENG/A%20%26%20B) now.",
        ),
        ('<p><ac:link><ri:page ri:space-key="HR" ri:content-title="Leave"/></ac:link></p>', "[Leave](/HR/Leave)"),
        ('<p><ac:link><ri:attachment ri:filename="a.pdf"/></ac:link> there</p>', "a.pdf there"),
        ('<p><ac:image ac:alt="The pump"><ri:attachment ri:filename="p.png"/></ac:image></p>', "The pump"),
        (
            "<ac:task-list><ac:task><ac:task-id>1</ac:task-id><ac:task-status>complete</ac:task-status>"
            "<ac:task-body>Oil</ac:task-body></ac:task></ac:task-list>",
            "- \\[x] Oil",
        ),
        (
            "<table><tbody><tr><th>A</th><th>B</th></tr><tr><td>1</td><td>2</td></tr></tbody></table>",
            "| A | B |\n| --- | --- |\n| 1 | 2 |",
        ),
        ('<p><a href="https://x.example/wiki/spaces/ENG/pages/12/My+page">p</a></p>', "[p](/ENG/My%20page)"),
        ('<p>Due <time datetime="2024-02-01"/></p>', "Due 2024-02-01"),
    ],
)
def test_storage_format_becomes_markdown(storage: str, text: str) -> None:
    assert markdown(storage) == text


@pytest.mark.parametrize(
    "storage", ["", "<p>\0<ac:link><ac:structured-macro", "<![CDATA[" * 20_000, "<ac:x " * 20_000, "<ac:x>" * 20_000]
)
def test_hostile_storage_format_becomes_a_page(storage: str) -> None:
    assert to_html(storage, "Title", "ENG", "").startswith(b"<!doctype html>")


def test_page_has_the_address_that_links_call_it_by() -> None:
    parsed = parse("page", to_html("<p>Text</p>", "A/B & C", "ENG", ""), "text/html")
    assert parsed.front_matter["permalink"] == page_address("ENG", "A/B & C") == "/ENG/A%2FB%20%26%20C"
