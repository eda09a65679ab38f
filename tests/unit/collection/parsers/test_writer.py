"""Writing Markdown: any text is shown as it was, blocks are those that a Markdown reader finds, offsets are exact."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from functions.collection.parsers.markdown.structure import read_structure
from functions.collection.parsers.writer import InlineCode, InlineLink, MarkdownWriter, PageBreak
from headwater.errors import PermanentError
from headwater.parsers import Parsed, check_parsed
from headwater.passages import excerpt

WORDS = st.lists(
    st.text("ab1#>-+=|:.)(*_`[]!<&;~\\/ \n\t", min_size=1, max_size=12)
    | st.sampled_from(["&amp;", "<b>", "1.", "---"]),
    min_size=1,
    max_size=6,
).map(" ".join)


def shown(parsed: Parsed, start: int = 0, end: int | None = None) -> str:
    """The text as it is searched and quoted."""
    assert parsed.markup is not None
    markup = [offset for pair in parsed.markup for offset in pair]
    return excerpt(parsed.text, markup)[start:end]


def rendered(text: str) -> str:
    """The text that a reader of rendered Markdown sees, each block in a line."""
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    return "\n".join(_rendered(token) for token in tokens if token.type in ("inline", "fence", "code_block"))


def _rendered(token: Any) -> str:
    if token.type != "inline":
        return str(token.content)
    return "".join("\n" if child.type.endswith("break") else child.content for child in token.children)


def tidy(text: str) -> str:
    return "\n".join(line for line in (" ".join(line.split()) for line in text.split("\n")) if line)


@given(WORDS)
@example("# a")
@example("1. a\n2) b")
@example("a\n===")
@example("a | b\n--- | ---")
@example("snake_case and _emphasis_ <b>x</b> &amp; ~~x~~ [a](b) ![i](j) `code` \\* http://a.b/c_d_")
def test_paragraph_is_shown_as_it_was(text: str) -> None:
    writer = MarkdownWriter()
    writer.paragraph(text)
    parsed = writer.finish()
    check_parsed(parsed)
    assert shown(parsed) == tidy(text)
    assert rendered(parsed.text) == tidy(text)
    assert [block.kind for block in read_structure(parsed.text, []).blocks] == ["text"] * bool(tidy(text))


KINDS = st.sampled_from(["heading", "paragraph", "quote", "item", "code", "table"])


@given(st.lists(st.tuples(KINDS, WORDS), max_size=6))
def test_blocks_are_those_that_a_reader_of_markdown_finds(parts: list[tuple[str, str]]) -> None:
    writer = MarkdownWriter()
    for index, (kind, text) in enumerate(parts):
        words = tidy(text) or "a"
        match kind:
            case "heading":
                writer.heading(1 + index % 6, words)
            case "item":
                writer.item(words, depth=index % 3, number=index if len(text) % 2 else None)
            case "table":
                writer.table([[words, "b"], ["c", [InlineCode("x|y"), InlineLink(words, "d")]]])
            case _:
                getattr(writer, kind)(words)
    parsed = writer.finish()
    check_parsed(parsed)
    read = read_structure(parsed.text, [])

    def kinds(blocks: Any) -> list[tuple[str, tuple[str, ...]]]:
        return [
            (block.kind, block.heading_path)
            for index, block in enumerate(blocks)
            if not (block.kind == "list" and index and blocks[index - 1].kind == "list")
        ]

    assert parsed.blocks is not None
    assert [kind for kind, _ in kinds(read.blocks)] == [kind for kind, _ in kinds(parsed.blocks)]
    if "<" not in parsed.text:  # the reader takes tags out of headings, even escaped ones
        assert [len(path) for _, path in kinds(read.blocks)] == [len(path) for _, path in kinds(parsed.blocks)]
    assert parsed.links is not None
    assert len(read.links) == len(parsed.links)
    for link in parsed.links:
        assert parsed.text[link.start] == "["
        assert parsed.text[link.end - 1] == ")"


def test_pages_begin_where_their_text_begins_also_within_a_paragraph() -> None:
    writer = MarkdownWriter()
    writer.page()
    writer.paragraph(["one goes on", PageBreak(), " here"])
    writer.page()
    writer.page()
    writer.paragraph("four")
    parsed = writer.finish()
    assert [parsed.text[at:] for at in parsed.pages] == ["one goes on here\n\nfour", " here\n\nfour", "four", "four"]


def test_table_keeps_its_columns_with_pipes_and_lines_in_cells() -> None:
    writer = MarkdownWriter()
    writer.table([["Name", "Use", ""], ["a|b", "two\nlines"], [[InlineCode("x|y")], [InlineLink("l", "a b|c")]]])
    parsed = writer.finish()
    assert parsed.text == ("| Name | Use |\n| --- | --- |\n| a\\|b | two lines |\n| `x\\|y` | [l](a%20b%7Cc) |")
    assert shown(parsed).splitlines()[2] == "| a|b | two lines |"


def test_code_is_kept_with_a_fence_that_it_does_not_contain() -> None:
    writer = MarkdownWriter()
    writer.code("\n  ```\n\tx\x00\n", "c++")
    assert writer.finish().text == "````c++\n  ```\n    x\n````"


def test_control_characters_and_surrogates_are_removed() -> None:
    writer = MarkdownWriter()
    writer.heading(2, "a\x07\ud800b")
    writer.paragraph("\x1b[31mred\ufffe")
    parsed = writer.finish(title="t\x00")
    assert parsed.text.encode() == b"## ab\n\n\\[31mred"
    assert parsed.title == "t"


def test_nul_characters_separate_words() -> None:
    writer = MarkdownWriter()
    writer.paragraph("red\0green")
    writer.paragraph([InlineCode("a\0b"), InlineLink("c\0d", "https://x.example/")])
    writer.code("e\0f")
    parsed = writer.finish(title="g\0h")
    assert parsed.text == "red green\n\n`a b`[c d](https://x.example/)\n\n```\ne f\n```"
    assert parsed.title == "g h"


def test_text_beyond_the_limit_is_refused() -> None:
    writer = MarkdownWriter()
    for _ in range(29):
        writer.code("w" * 1_000_000)
    with pytest.raises(PermanentError, match="more than 30,000,000 characters"):
        writer.code("w" * 1_000_000)
