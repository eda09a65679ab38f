"""Limits of a document: what exceeds them is left out with a warning."""

import pytest

from functions.collection.chunking.chunk import chunk
from functions.collection.documents.parse_files import FileParser
from functions.collection.documents.parsed_file import ParsedFile, SourceFile
from functions.collection.parsers.limits import (
    MAX_BLOCKS,
    MAX_CHUNKS,
    MAX_CHUNKS_BYTES,
    MAX_FRONT_MATTER_BYTES,
    MAX_LINKS,
    MAX_TARGET_BYTES,
    TARGETS_BYTES,
    count_chunks_within_limits,
    limit_blocks,
    limit_front_matter,
    limit_links,
    limit_warnings,
)
from headwater.embedding.constant import WordTokenizer
from headwater.parsers import Block, Link
from tests.harness.chunk_invariants import check_chunks
from tests.harness.parsing import parse


def test_links_after_too_many_are_left_out() -> None:
    parsed = parse("a.md", b"[a](b.md) " * (MAX_LINKS + 1), "text/markdown")
    assert len(parsed.links) == MAX_LINKS
    assert parsed.warnings == (
        "only the first 5,000 links were kept; the limits are 5,000 links, and targets of 100,000 bytes and twice the "
        "text's size",
    )


def test_as_many_links_as_allowed_are_kept_without_a_warning() -> None:
    parsed = parse("a.md", b"[a](b.md) " * MAX_LINKS, "text/markdown")
    assert (len(parsed.links), parsed.warnings) == (MAX_LINKS, ())


def test_link_with_a_long_target_is_left_out() -> None:
    parsed = parse("a.md", f"[a](<{'é' * MAX_TARGET_BYTES}>) [b](c)".encode(), "text/markdown")
    assert [link.target for link in parsed.links] == ["c"]
    assert parsed.warnings == ("1 link was left out, whose target has more than 2,000 bytes",)
    parsed = parse("a.md", f"[a](<{'é' * MAX_TARGET_BYTES}>) ".encode() * 2, "text/markdown")
    assert parsed.warnings == ("2 links were left out, whose targets have more than 2,000 bytes",)


def test_targets_of_a_reference_used_often_are_limited() -> None:
    text = f"[a]: {'b' * 1_900}\n\n" + "[a] " * 4_000
    parsed = parse("a.md", text.encode(), "text/markdown")
    assert sum(len(link.target) for link in parsed.links) <= 2 * len(text) + TARGETS_BYTES
    [warning] = limit_links_of(text, parsed.links, 4_000)
    assert warning.startswith("only the first 71 links were kept; the limits are")
    [warning] = limit_links_of("[a]", (Link("link", "b" * 1_900, 0, 3),), 5_000)
    assert warning.startswith("only the first 52 links were kept")


def limit_links_of(text: str, links: tuple[Link, ...], count: int) -> list[str]:
    warnings: list[str] = []
    limit_links([links[0]] * count, text, warnings)
    return warnings


def test_text_after_too_many_blocks_is_searchable() -> None:
    parsed = parse("a.md", b"# First\n\n" + b"a\n\n" * MAX_BLOCKS + b"# Last [b](c)\n", "text/markdown")
    assert len(parsed.blocks) == MAX_BLOCKS
    assert parsed.text[parsed.blocks[-1].start : parsed.blocks[-1].end].endswith("# Last [b](c)")
    assert (parsed.blocks[-1].heading_path, parsed.links) == (("First",), ())
    assert parsed.warnings[0].startswith("only the first 50,000 headings, paragraphs and other blocks were read")
    check_chunks(parsed, chunk([parsed], WordTokenizer())[0], WordTokenizer())


def test_text_after_too_many_nested_blocks_is_searchable() -> None:
    parsed = parse("a.md", b"- a\n\n  ```\n  b\n  ```\n" * MAX_BLOCKS, "text/markdown")
    assert len(parsed.blocks) == MAX_BLOCKS
    assert parsed.blocks[-1].end == len(parsed.text) - 1
    assert len(parsed.warnings) == 1


def test_heading_paths_of_extensions_are_shortened() -> None:
    blocks = [Block("text", 0, 1, tuple(map(str, range(9)))), Block("text", 2, 3, ("a" * 400, "b"))]
    warnings: list[str] = []
    deep, long = limit_blocks(blocks, warnings)
    assert warnings == ["headings longer than 300 characters, or below more than 5 others, were shortened"]
    assert deep.heading_path == ("3", "4", "5", "6", "7", "8")
    assert long.heading_path == ("a" * 300 + "…", "b")


@pytest.mark.parametrize("depth", [20, 21])
def test_front_matter_of_extensions_has_at_most_20_levels(depth: int) -> None:
    values: dict[str, object] = {"a": 1}
    for _ in range(depth - 1):
        values = {"a": values}
    warnings: list[str] = []
    assert limit_front_matter(values, warnings) == (values if depth == 20 else {})
    assert warnings == [] if depth == 20 else ["front matter ignored: it nests deeper than 20 levels"]


def test_large_front_matter_of_extensions_is_left_out() -> None:
    warnings: list[str] = []
    assert limit_front_matter({"a": "b" * MAX_FRONT_MATTER_BYTES}, warnings) == {}
    assert warnings == ["front matter ignored: it has more than 500,000 bytes"]


@pytest.mark.parametrize(
    ("sizes", "kept"),
    [
        ([], 0),
        ([10] * MAX_CHUNKS, MAX_CHUNKS),
        ([10] * (MAX_CHUNKS + 1), MAX_CHUNKS),
        ([MAX_CHUNKS_BYTES // 10] * 10, 10),
        ([MAX_CHUNKS_BYTES // 10 + 1] * 10, 9),
    ],
)
def test_chunks_are_limited_by_count_and_bytes(sizes: list[int], kept: int) -> None:
    assert count_chunks_within_limits(iter(sizes)) == kept


def test_document_with_too_many_chunks_says_up_to_which_line_it_is_searched() -> None:
    """Words without spaces between them are cut every 4,000 characters: three chunks more than the limit of bytes."""
    lines = MAX_CHUNKS_BYTES // 4_000 + 3
    text = "# Title\n\n" + "\n\n".join(["é" * 2_000] * lines)
    [result] = next(
        FileParser(None, "constant", "", 2**33).parse((SourceFile("a.md", text.encode(), "text/markdown", "markdown"),))
    )
    assert isinstance(result, ParsedFile)
    assert len(result.text) == len(text)
    assert lines - 100 < len(result.chunks) < lines
    after = text[result.chunks[-1].end :].lstrip("\n")
    line = text.count("\n", 0, len(text) - len(after)) + 1
    assert result.warnings[0].startswith(f"the text is searched up to line {line:,} only: {len(result.chunks):,} of")
    assert result.warnings[0].endswith("the limits are 20,000 chunks and 20,000,000 bytes")


def test_warnings_are_shortened_and_counted() -> None:
    assert limit_warnings(["a", "a", "b" * 501]) == ("a", "b" * 500 + "…")
    assert limit_warnings([str(n) for n in range(30)])[-2:] == ("8", "21 more warnings")
