"""Blocks and headings of Markdown: by example, compared with markdown-it-py, and on adversarial pages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.parsers import Block
from tests.harness.adversarial.markdown import MARKDOWN
from tests.harness.adversarial.mdx import MDX
from tests.harness.commonmark import our_structure, reference_structure
from tests.harness.corpus import FILES
from tests.harness.parsing import parse

LINES = st.sampled_from([
    "# One", "## `two` *b* ##", "text", "more text", "===", "---", "***", "- item", "  - below", "1. first", "> said",
    "```", "~~~ py", "    code", "| a | b |", "|---|---|", "| 1 | 2 |", "", "", "", "   text", "#no", "\\# no", "<div>",
    "</div>", "<!-- c", "-->", "```js", "   ```", "* * *", "\tcode", "[a]: b", "[c]: d 'e'", "[a](f) [c]", "> - [c][a]",
])  # fmt: skip


def blocks(text: str) -> list[tuple[str, str]]:
    parsed = parse("page.md", text.encode(), "text/markdown")
    return [(block.kind, parsed.text[block.start : block.end]) for block in parsed.blocks]


def paths(text: str) -> list[tuple[str, ...]]:
    return [block.heading_path for block in parse("page.md", text.encode(), "text/markdown").blocks]


def test_parser_recognizes_every_kind_of_block() -> None:
    parts = {
        "heading": "# One",
        "text": "A paragraph\nover two lines.",
        "list": "- item\n\n  more of it\n- next",
        "table": "| a | b |\n|:--|--:|\n| 1 | 2 |",
        "code": "```py\n# no heading\n```",
        "quote": "> quote\nlazy line",
        "rule": "* * *",
        "html": "<div>\n# no heading\n</div>",
    }
    assert blocks("\n\n".join(parts.values())) == list(parts.items())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("~~~\n```\n~~~", ["code"]),
        ("````md\n```\nx\n```\n````", ["code"]),
        ("```\nnever closed\n\n# x", ["code"]),
        ("``` not `code`\ntext", ["text"]),
        ("    code\n\n    more\ntext", ["code", "text"]),
        ("text\n    no code", ["text"]),
        ("- a\n\n  ```\n  x\n  ```\n- b", ["list", "code", "list"]),
        ("- a\n\n      code in it", ["list", "code"]),
        ("> a\n> ```\n> x\n> ```\n> b", ["quote", "code", "quote"]),
        ("> a\n\n> b", ["quote", "quote"]),
        ("text\n| a | b |\n| - | - |\n| 1 | 2 |\n\ntext", ["text", "table", "text"]),
        ("a | b\n--- | ---\n1 | 2", ["table"]),
        ("| a | b |\n|---|\n", ["text"]),
        ("| a \\| b |\n|---|\n", ["table"]),
        ("text\n- item", ["text", "list"]),
        ("text\n2. no item", ["text"]),
        ("1. a\n2. b\n\ntext", ["list", "text"]),
        ("<!-- a\n\n# b -->\ntext", ["html", "text"]),
        ("text\n---", ["heading"]),
        ("- text\n---", ["list", "rule"]),
        ("1. a\n\n- b", ["list", "list"]),
        ("- a\n\n  > b\n\n  ***", ["list"]),
        ("- > ```\n  > x", ["code"]),
        ("[a]: b\n---", ["text", "rule"]),
        ("[a]: b\n[c]: d\n\n[e]: f\ntext", ["text", "text"]),
        ("[^1]: A footnote\nof two lines", ["text"]),
        ("- # no heading of the page", ["list"]),
        ("> # no heading of the page", ["quote"]),
        ("\u00a0\n\u2003", []),
    ],
)
def test_blocks_have_the_boundaries_of_commonmark(text: str, expected: list[str]) -> None:
    assert [kind for kind, _ in blocks(text)] == expected


def test_heading_path_has_the_headings_above_a_block() -> None:
    assert paths("before\n# A\n### C\ntext\n## B\nunder\n\nline\n===\n###\nlast") == [
        (),
        ("A",),
        ("A", "C"),
        ("A", "C"),
        ("A", "B"),
        ("A", "B"),
        ("line",),
        ("line",),
        ("line",),
    ]


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("# Plain ##", "Plain"),
        ("# C#", "C#"),
        ("# A {#anchor}", "A"),
        ("# A {: .class #id}", "A"),
        ("# `code` and ``a ` b``", "code and a ` b"),
        ("# **bold** *it* __b__ _i_ ~~s~~ ***x***", "bold it b i s x"),
        ("# snake_case_name and 2 * 3 * 4", "snake_case_name and 2 * 3 * 4"),
        ("# [A `b`](x_y_z) [c][r] [d](<e f>)", "A b c d"),
        ("# ![badge](x.svg) Name", "badge Name"),
        ("# [![badge](x.svg)](y) Name", "badge Name"),
        ("# [1.0] - today", "[1.0] - today"),
        ("# [[Page|Label]] and [[Other]]", "Label and Other"),
        ("# a \\*b\\* \\<c> &lt;d&gt; &amp;", "a *b* <c> <d> &"),
        ('# <a name="x"></a>Name<br>two', "Name two"),
        ("# std::vector<bool> <std::set>", "std::vector<bool> <std::set>"),
        ("# [[1]](a.md) [^1] [[2]]", "[1] 2"),
        ("# Usage {/*usage*/}", "Usage"),
        ('# With pip <small>best</small> { #pip data-label="pip" }', "With pip best"),
        ("# :rocket: Start {{< icon >}} {% new %} ==now==", "Start now"),
        ('# Pump <Badge type="tip" text="beta" />', "Pump"),
        ("# `{{ a }}` and `{#b}` <name>", "{{ a }} and {#b} <name>"),
        ("# Notes <!-- old: Note -->%%x%%", "Notes"),
        ("# A [x{y}](z)", "A x{y}"),
        ("A *b*\nc `d`\\\ne\n-----", "A b c d e"),
        ("#\ttab", "tab"),
        ("# " + "x" * 400, "x" * 300 + "…"),
    ],
)
def test_heading_path_has_plain_text(written: str, plain: str) -> None:
    assert paths(f"{written}\n\n[r]: y")[0] == (plain,)


def test_heading_that_is_a_reference_loses_its_brackets() -> None:
    assert paths("# [1.0] - today\n\n[1.0]: y")[0] == ("1.0 - today",)


@pytest.mark.parametrize("key", [key for key in FILES if key.endswith(".md")])
def test_sample_pages_have_the_structure_that_markdown_it_reports(key: str) -> None:
    parsed = parse(key, FILES[key].replace(b" {#http-api}", b"").replace(b" {#post-a-reading}", b""), "text/markdown")
    assert our_structure(parsed) == reference_structure(parsed.text)


@given(st.lists(LINES.filter(lambda line: not line.startswith(("    ", "\t"))), max_size=8))
def test_generated_pages_have_the_structure_that_markdown_it_reports(lines: list[str]) -> None:
    parsed = parse("page.md", "\n".join(["", *lines]).encode(), "text/markdown")
    assert our_structure(parsed) == reference_structure(parsed.text)


@given(st.lists(LINES, max_size=8))
def test_blocks_are_in_order_and_cover_all_text(lines: list[str]) -> None:
    parsed = parse("page.md", "\n".join(["", *lines]).encode(), "text/markdown")
    _check_blocks(parsed.text, parsed.blocks)
    covered = "".join(parsed.text[block.start : block.end] for block in parsed.blocks)
    assert "".join(covered.split()) == "".join(parsed.text.split())


@given(st.text(alphabet="ab #*_`~[](){}<>|\\!&;:-=+.^1\t\n\"'/é日🦠\u0301\u00a0", max_size=80), st.booleans())
def test_parser_accepts_any_text(text: str, mdx: bool) -> None:
    parsed = parse("page.mdx" if mdx else "page.md", text.encode(), "text/markdown")
    _check_blocks(parsed.text, parsed.blocks)
    for link in parsed.links:
        markup = parsed.text[link.start : link.end]
        assert link.target
        assert markup[0] + markup[-1] in ("[]", "[)", "<>")
        assert any(block.start <= link.start and link.end <= block.end for block in parsed.blocks)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", MARKDOWN | MDX)
def test_blocks_of_adversarial_pages_are_in_order(name: str) -> None:
    for key in ("page.md", "page.mdx"):
        parsed = parse(key, (MARKDOWN | MDX)[name](20_000).encode(), "text/markdown")
        _check_blocks(parsed.text, parsed.blocks)


def _check_blocks(text: str, blocks: tuple[Block, ...]) -> None:
    position = 0
    for block in blocks:
        assert position <= block.start < block.end <= len(text)
        assert not text[block.start].isspace()
        assert not text[block.end - 1].isspace()
        position = block.end
