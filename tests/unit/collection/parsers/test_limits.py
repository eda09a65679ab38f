"""Limits of a document: what exceeds them is left out with a warning, and all text stays searchable."""

import pytest

from functions.collection.chunking.chunk import chunk
from functions.collection.parsers.limits import (
    MAX_BLOCKS,
    MAX_FRONT_MATTER_BYTES,
    MAX_LINKS,
    MAX_TARGET_BYTES,
    TARGETS_BYTES,
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
    assert parsed.warnings == ("only the first 5,000 links were kept",)


def test_as_many_links_as_allowed_are_kept_without_a_warning() -> None:
    parsed = parse("a.md", b"[a](b.md) " * MAX_LINKS, "text/markdown")
    assert (len(parsed.links), parsed.warnings) == (MAX_LINKS, ())


def test_link_with_a_long_target_is_left_out() -> None:
    parsed = parse("a.md", f"[a](<{'é' * MAX_TARGET_BYTES}>) [b](c)".encode(), "text/markdown")
    assert [link.target for link in parsed.links] == ["c"]
    assert parsed.warnings == ("1 links were left out, whose targets have more than 2,000 bytes",)


def test_targets_of_a_reference_used_often_are_limited() -> None:
    text = f"[a]: {'b' * 1_900}\n\n" + "[a] " * 4_000
    parsed = parse("a.md", text.encode(), "text/markdown")
    assert sum(len(link.target) for link in parsed.links) <= 2 * len(text) + TARGETS_BYTES
    [warning] = limit_links_of(text, parsed.links, 4_000)
    assert warning == "only the first 71 links were kept"


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
    deep, long = limit_blocks(blocks, [])
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


def test_warnings_are_shortened_and_counted() -> None:
    assert limit_warnings(["a", "a", "b" * 501]) == ("a", "b" * 500 + "…")
    assert limit_warnings([str(n) for n in range(30)])[-2:] == ("8", "21 more warnings")
