"""Encoded data in Markdown: it stays in the text, and no chunk has it."""

import base64
import random

import pytest

from functions.collection.chunking.chunk import chunk
from functions.collection.parsers.encoded_data import hide_encoded_data
from headwater.embedding.constant import WordTokenizer
from headwater.passages import excerpt
from tests.harness.chunk_invariants import check_chunks
from tests.harness.growth import check_linear
from tests.harness.parsing import parse

IMAGE = base64.b64encode(random.Random(1).randbytes(30_000)).decode()
LINES = base64.encodebytes(random.Random(2).randbytes(3_000)).decode()


@pytest.mark.parametrize(
    "data",
    [
        f"![pump](data:image/png;base64,{IMAGE})",
        f'<img src="data:image/svg+xml;charset=utf-8;base64,{IMAGE}">',
        f"[pump]: data:image/png;base64,{IMAGE}",
        f"```\n{IMAGE}\n```",
        f"```\n-----BEGIN CERTIFICATE-----\n{LINES}-----END CERTIFICATE-----\n```",
        f"    {LINES.rstrip()}".replace("\n", "\n    "),
        f"## {IMAGE}\n\nShort.",
        f"| a | b |\n|---|---|\n| {IMAGE} | c |\n",
        "data:image/svg+xml," + "%3Csvg%20" * 300,
        f"- item\n- {IMAGE}\n- item\n",
    ],
)
def test_encoded_data_is_in_no_chunk(data: str) -> None:
    text = f"# Pump\n\nThe pump moves nine litres.\n\n{data}\n\nIt needs oil.\n"
    parsed = parse("a.md", text.encode(), "text/markdown")
    chunks = chunk([parsed], WordTokenizer())[0]
    check_chunks(parsed, chunks, WordTokenizer())
    searched = "".join(excerpt(parsed.text[piece.start : piece.end], piece.markup, None) for piece in chunks)
    assert "nine litres" in searched
    assert "It needs oil." in searched
    assert len(searched) < 400
    assert parsed.text == text
    assert any("is not searched" in warning for warning in parsed.warnings)


@pytest.mark.parametrize(
    "text",
    [
        "x" * 999,
        "水" * 5_000,
        "See https://example.org/" + "a/" * 400,
        "\n".join(["sha256 " + "0f" * 32] * 100),
        "\n".join(["0f" * 32] * 16),
        "word " * 5_000,
    ],
)
def test_other_text_is_searched(text: str) -> None:
    warnings: list[str] = []
    assert (hide_encoded_data(text, [(0, 1)], warnings), warnings) == (((0, 1),), [])


@pytest.mark.parametrize(
    ("markup", "hidden"),
    [
        ([], [(5, 1_005)]),
        ([(0, 2), (1_006, 1_007)], [(0, 2), (5, 1_005), (1_006, 1_007)]),
        ([(4, 6), (9, 10)], [(4, 1_005)]),
        ([(1_000, 1_009)], [(5, 1_009)]),
        ([(0, 1_009)], [(0, 1_009)]),
    ],
)
def test_ranges_of_data_and_markup_are_joined(markup: list[tuple[int, int]], hidden: list[tuple[int, int]]) -> None:
    assert hide_encoded_data("Oil: " + "x" * 1_000 + " too", markup, []) == tuple(hidden)


@pytest.mark.parametrize(
    "unit",
    ["a", "a" * 999 + " ", "a" * 1_000 + "\n", "a" * 60 + "\n", " " * 99 + "\n", "data:" * 30 + ",", "a" * 999 + "!"],
)
def test_search_for_encoded_data_takes_linear_time(unit: str) -> None:
    def search(text: str) -> None:
        hide_encoded_data(text, [(start, start + 1) for start in range(0, len(text) - 1, 100)], [])

    check_linear(search, lambda size: unit * (size // len(unit)))
