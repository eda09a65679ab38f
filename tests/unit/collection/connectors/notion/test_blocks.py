"""Notion's blocks and properties as Markdown, in the shapes of its API, and in others."""

from typing import Any

import pytest

from functions.collection.connectors.notion.blocks import Block, rich_text, write_blocks
from functions.collection.connectors.notion.properties import front_matter, properties
from tests.fakes.notion import block, text

PAGE_ID = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
PLAIN_ID = PAGE_ID.replace("-", "")


def read(source: dict[str, Any]) -> Block:
    kind = source["type"]
    return Block(kind, source[kind], tuple(map(read, source["children"])))


def written(*sources: dict[str, Any]) -> str:
    return write_blocks(map(read, sources))


@pytest.mark.parametrize(
    ("source", "markdown"),
    [
        (block("paragraph", "1. not a *list* in a_name"), "1\\. not a \\*list\\* in a_name"),
        (block("heading_2", "Install\nit"), "## Install it"),
        (block("heading_1", "Open", children=[block("paragraph", "Inside")]), "# Open\n\nInside"),
        (block("to_do", "Done", checked=True), "- [x] Done"),
        (block("to_do", "Open", checked=False), "- [ ] Open"),
        (block("toggle", "More", children=[block("paragraph", "Hidden")]), "- More\n\n  Hidden"),
        (block("quote", "One\ntwo"), "> One\n> two"),
        (block("callout", "Careful", icon={"type": "emoji", "emoji": "⚠️"}), "> ⚠️ Careful"),
        (block("code", "a = `b`\n# c", language="python"), "```python\na = `b`\n# c\n```"),
        (block("code", "```", language="plain text"), "````\n```\n````"),
        (block("equation", expression="E = mc^2"), "$$\nE = mc^2\n$$"),
        (block("divider"), "---"),
        (block("child_page", title="Below", id=PAGE_ID), f"[Below](/{PLAIN_ID})"),
        (block("link_to_page", type="page_id", page_id=PAGE_ID), f"[Linked page](/{PLAIN_ID})"),
        (block("image", caption=[text("The pump")], type="file", file={"url": "https://x"}), "The pump"),
        (
            block("image", caption=[text("The pump")], type="external", external={"url": "https://x.example/a.png"}),
            "[The pump](https://x.example/a.png)",
        ),
        (block("bookmark", url="https://x.example/a(b)"), "[https://x.example/a(b)](https://x.example/a%28b%29)"),
        (block("column_list", children=[block("column", children=[block("paragraph", "Left")])]), "Left"),
        (block("table_of_contents"), ""),
        (block("something_new", "Its text"), "Its text"),
    ],
    ids=lambda value: value if isinstance(value, str) else value["type"],  # blocks have random ids
)
def test_block_is_written(source: dict[str, Any], markdown: str) -> None:
    assert written(source) == markdown


def test_lists_are_numbered_and_nested() -> None:
    items = [
        block(
            "numbered_list_item", "One", children=[block("bulleted_list_item", "a"), block("bulleted_list_item", "b")]
        ),
        block("numbered_list_item", "Two"),
        block("paragraph", "After"),
        block("numbered_list_item", "Again"),
    ]
    assert written(*items) == "1. One\n   - a\n   - b\n2. Two\n\nAfter\n\n1. Again"


def test_table_is_written_with_its_header() -> None:
    rows = [block("table_row", cells=[[text("Name")], [text("Flow|rate")]]), block("table_row", cells=[[text("A")]])]
    assert written(block("table", children=rows)) == "| Name | Flow\\|rate |\n| --- | --- |\n| A |  |"


@pytest.mark.parametrize(
    ("span", "markdown"),
    [
        (text("bold ", bold=True), "**bold** "),
        (text("a`b", code=True), "``a`b``"),
        (text("x", strikethrough=True, italic=True), "~~*x*~~"),
        (text("site", href="https://x.example/?a=1"), "[site](https://x.example/?a=1)"),
        (text("page", href=f"/{PLAIN_ID}"), f"[page](/{PLAIN_ID})"),
        (text("page", href=f"https://www.notion.so/Title-{PLAIN_ID}?pvs=4"), f"[page](/{PLAIN_ID})"),
        (
            {"type": "mention", "plain_text": "Plan", "mention": {"type": "page", "page": {"id": PAGE_ID}}},
            f"[Plan](/{PLAIN_ID})",
        ),
        ({"type": "mention", "plain_text": "@Ada", "mention": {"type": "user", "user": {"id": "1"}}}, "@Ada"),
        ({"type": "equation", "plain_text": "x^2", "equation": {"expression": "x^2"}}, "$x^2$"),
        ("no span", ""),
        ({"plain_text": 5}, ""),
    ],
)
def test_rich_text_is_written(span: Any, markdown: str) -> None:
    assert rich_text([span]) == markdown


def test_properties_become_front_matter() -> None:
    page = {
        "properties": {
            "Name": {"type": "title", "title": [text("Plan")]},
            "Tags": {"type": "multi_select", "multi_select": [{"name": "a: b"}, {"name": "c"}, 7]},
            "Status": {"type": "status", "status": {"name": "Done"}},
            "Due": {"type": "date", "date": {"start": "2024-02-01", "end": "2024-02-03"}},
            "Cost": {"type": "formula", "formula": {"type": "number", "number": 3.5}},
            "Parts": {"type": "rollup", "rollup": {"type": "array", "array": [{"type": "number", "number": 1}]}},
            "Next": {"type": "relation", "relation": [{"id": PAGE_ID}]},
            "Ticket": {"type": "unique_id", "unique_id": {"prefix": "HW", "number": 12}},
            "Empty": {"type": "select", "select": None},
            "Odd": {"type": ["select"]},
            "Worse": "text",
        }
    }
    values = dict(properties(page))
    assert values == {
        "Tags": ["a: b", "c"],
        "Status": "Done",
        "Due": "2024-02-01/2024-02-03",
        "Cost": 3.5,
        "Parts": [1],
        "Next": [f"/{PLAIN_ID}"],
        "Ticket": "HW-12",
    }
    assert front_matter({"Tags": ["a: b"], "Über": True}) == '---\n"Tags": ["a: b"]\n"Über": true\n---\n\n'


def test_deep_lists_take_linear_time() -> None:
    inner = Block("bulleted_list_item", {"rich_text": [text("x")]})
    for _ in range(8):
        inner = Block("bulleted_list_item", {"rich_text": [text("x")]}, (inner, inner))
    assert len(write_blocks([inner]).split("\n")) == 2**9 - 1
