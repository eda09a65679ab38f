"""Chunks: they follow the page's structure, fit the model and cover the whole text."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.collection.chunking.chunk import TARGET_TOKENS, TINY_TOKENS, Chunk, chunk
from functions.collection.parsers.parse import ParsedDocument
from headwater.embedding.registry import load_tokenizer
from tests.harness.chunk_invariants import check_chunks
from tests.harness.corpus import FILES
from tests.harness.parsing import parse

TOKENIZER = load_tokenizer("constant", Path())
# Eleven tokens: ten words and a full stop. The model reads 23 such sentences; the target size is 18.
SENTENCE = "One two three four five six seven eight nine ten. "
WORDS = st.sampled_from(
    ["word", "a.", "B", "x" * 30, "日本語", "e\u0301", "한글", "\u200b", "\x1c", "`c`", "|", "\t", "?!"]
)
MARKUP = st.sampled_from([
    "%%", "<!-- a", "b -->", "!!! note\n\n    text", '=== "A"', "{{< x >}}", "[[a|b]]", "::: tip", "a{#b}c",
    "x<b>y</b>", "x<sub>y</sub>z", "x<br><br>.", " <br> <sup>2",
    "[a](https://b.c/" + "x" * 400 + ")", "[a]: b", "[a][]", "\n:   d", "[^1]: e", "k:: v",
])  # fmt: skip
PARTS = st.one_of(
    MARKUP,
    st.sampled_from(["# One", "## Two", "### Three", "## Two", "#", "Intro:", "> quote", "---", "<div>", "\ufffd"]),
    st.lists(WORDS, min_size=1, max_size=12).map(" ".join),
    st.sampled_from([SENTENCE * 30, "x" * 900, "한" * 300, "- item of a list\n" * 60, "```\nline of code;\n\n" * 70]),
    st.sampled_from(
        ["| a | b |\n|---|---|\n" + "| cell | other cell |\n" * 50, "a.b" * 400, "## " + "long heading " * 20]
    ),
)


def chunk_page(text: str, key: str = "page.md") -> tuple[ParsedDocument, list[Chunk]]:
    parsed = parse(key, text.encode(), "text/markdown")
    return parsed, chunk([parsed], TOKENIZER)[0]


def chunk_texts(text: str) -> list[str]:
    parsed, chunks = chunk_page(text)
    return [parsed.text[chunk.start : chunk.end] for chunk in chunks]


def section(heading: str, sentences: int) -> str:
    return f"{heading}\n\n{SENTENCE * sentences}".strip()


def test_page_that_fits_is_one_chunk() -> None:
    parsed, chunks = chunk_page("# Title\n\nText.\n\n## Part\n\n```\ncode\n```\n")
    assert [(piece.start, piece.end) for piece in chunks] == [(0, len(parsed.text) - 1)]
    assert chunks[0].heading_path == ("Title",)


def test_empty_page_has_no_chunks() -> None:
    assert chunk_page("\n\n")[1] == []
    assert chunk([], TOKENIZER) == []


def test_section_that_fits_is_one_chunk_with_its_headings() -> None:
    sections = [section("# A", 15), section("## B", 15), section("### C", 18)]
    parsed, chunks = chunk_page("\n\n".join(sections))
    assert [parsed.text[piece.start : piece.end] for piece in chunks] == sections
    assert [piece.heading_path for piece in chunks] == [("A",), ("A", "B"), ("A", "B", "C")]


def test_small_sections_are_joined_under_their_common_heading() -> None:
    parsed, chunks = chunk_page("\n\n".join(["# A", *(section(f"## B{n}", 5) for n in range(6))]))
    assert [piece.heading_path for piece in chunks] == [("A",), ("A",)]
    assert [parsed.text[piece.start : piece.end].count("## B") for piece in chunks] == [3, 3]


def test_heading_stays_with_the_subsection_below_it() -> None:
    parts = ["# A", section("## B", 16), "## C", section("### D", 16)]
    assert chunk_texts("\n\n".join(parts)) == ["\n\n".join(parts[:2]), "\n\n".join(parts[2:])]


def test_long_section_is_split_between_paragraphs_into_equal_parts() -> None:
    paragraphs = [(SENTENCE * 4).strip() for _ in range(9)]
    pieces = chunk_texts("# A\n\n" + "\n\n".join(paragraphs))
    assert [piece.count("One two") // 4 for piece in pieces] == [4, 5]
    assert all(piece.endswith("ten.") for piece in pieces)


def test_long_paragraph_is_split_between_sentences() -> None:
    pieces = chunk_texts("# A\n\n" + SENTENCE * 60)
    assert len(pieces) == 4
    assert all(piece.endswith("ten.") for piece in pieces)


def test_long_list_is_split_between_items() -> None:
    pieces = chunk_texts("".join(f"- item {n} of a list that is long\n  with a second line\n" for n in range(60)))
    assert len(pieces) > 1
    assert all(piece.startswith("- item") and piece.endswith("second line") for piece in pieces)


def test_long_table_is_split_between_rows() -> None:
    pieces = chunk_texts(
        "| name | what |\n| --- | --- |\n" + "".join(f"| row {n} | does a thing |\n" for n in range(80))
    )
    assert len(pieces) > 1
    assert all(piece.startswith("|") and piece.endswith("|") for piece in pieces)


def test_chunk_that_continues_a_table_has_its_header() -> None:
    rows = "".join(f"| row {n} | does a thing |\n" for n in range(80))
    for before, after in (("", ""), ("# T\n\n", "\n\n" + SENTENCE * 3), ("!!! note\n\n    Text.\n\n", "")):
        parsed, chunks = chunk_page(f"{before}| name | what |\n| --- | --- |\n{rows}{after}")
        check_chunks(parsed, chunks, TOKENIZER)
        headers = [parsed.text[slice(*piece.table_header)] if piece.table_header else "" for piece in chunks]
        assert len(chunks) > 2
        assert headers[0] == ""
        assert set(headers[1:]) == {"| name | what |\n| --- | --- |"}


def test_large_header_of_a_table_is_not_repeated() -> None:
    header = "| " + " | ".join(["many words in a column"] * 30) + " |\n" + "|---" * 30 + "|\n"
    parsed, chunks = chunk_page(header + "| cell that has words |\n" * 200)
    check_chunks(parsed, chunks, TOKENIZER)
    assert {piece.table_header for piece in chunks} == {None}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# A\n\n---\n\n<!-- only a comment -->\n\n<a id='x'></a>\n", ["# A\n\n---"]),
        ("<!-- only a comment -->\n\n***\n\n[a]: https://b.c\n", []),
        ("# 🎉\n\n👍🏽 🇩🇪\n", ["# 🎉\n\n👍🏽 🇩🇪"]),
        (section("# A", 20) + "\n\n<!-- " + "comment " * 300 + "-->\n\n" + section("## B", 20), None),
        ("# A\n\n[Try it](https://a.b/" + "x=+/0" * 2_000 + ")\n\nIt burns.", ["# A\n\n[Try it", "It burns."]),
    ],
)
def test_text_without_a_word_is_in_no_chunk(text: str, expected: list[str] | None) -> None:
    parsed, chunks = chunk_page(text)
    check_chunks(parsed, chunks, TOKENIZER)
    found = [parsed.text[piece.start : piece.end] for piece in chunks]
    if expected is None:
        assert not any(piece.startswith("<!--") for piece in found)
    else:
        assert [piece.replace("[", "") for piece in found] == [piece.replace("[", "") for piece in expected]


def test_first_chunk_has_room_for_what_the_front_matter_says() -> None:
    front_matter = "---\ndescription: " + "many words about it " * 12 + "\ntags: [a, b]\n---\n"
    parsed, chunks = chunk_page(front_matter + section("# A", 23) + "\n\n" + section("## B", 40))
    check_chunks(parsed, chunks, TOKENIZER)
    assert len(chunks) > 2


def test_long_code_is_split_at_blank_lines_first() -> None:
    function = "def f():\n    return one + two + three\n"
    pieces = chunk_texts("```py\n" + "\n".join([function] * 40) + "```\n")
    assert len(pieces) > 1
    assert all(piece.startswith("def f") for piece in pieces[1:])


def test_code_that_fits_stays_whole_with_its_introduction() -> None:
    code = "```\n" + "call(one, two);\n" * 17 + "```"
    pieces = chunk_texts(section("# A", 18) + "\n\nFor example:\n\n" + code + "\n\n" + SENTENCE * 15)
    assert f"For example:\n\n{code}" in pieces


def test_code_that_fits_only_without_its_introduction_stays_whole() -> None:
    code = "```\n" + "call(one, two);\n" * 35 + "```"
    introduction = "These eleven words stand before the code and end in a colon:"
    pieces = chunk_texts(section("# A", 18) + f"\n\n{introduction}\n\n{code}\n\n" + SENTENCE * 15)
    assert code in pieces


def test_tiny_last_section_is_joined_with_the_one_before() -> None:
    pieces = chunk_texts(section("# A", 17) + "\n\n" + section("## B", 15) + "\n\n## See also\n\n[x](y)\n")
    assert len(pieces) == 2
    assert pieces[1].endswith("## See also\n\n[x](y)")


def test_headings_without_text_do_not_nest() -> None:
    parsed, chunks = chunk_page("#\n" * 2_000)
    check_chunks(parsed, chunks, TOKENIZER)


def test_headings_of_long_words_are_dropped() -> None:
    words = " ".join(["x" * 120] * 2)
    parsed, chunks = chunk_page(f"---\ntitle: T\n---\n# {words}\n## {words}\n### Inner\n\n" + SENTENCE * 30)
    assert {piece.heading_path for piece in chunks} == {(words, "Inner")}
    check_chunks(parsed, chunks, TOKENIZER)


def test_long_heading_path_drops_its_outer_headings() -> None:
    long = "many words in one heading " * 9
    parsed, chunks = chunk_page(f"---\ntitle: T\n---\n# {long}\n## {long}\n### Inner\n\n" + SENTENCE * 30)
    assert {piece.heading_path for piece in chunks} == {(long.strip(), "Inner")}
    check_chunks(parsed, chunks, TOKENIZER)


def test_endless_word_is_split_into_parts_that_fit() -> None:
    for word in ("x" * 100_000, "a.b" * 30_000, "한" * 10_000, "\ufffd" * 9_000):
        parsed, chunks = chunk_page(f"# A\n\n{word}")
        check_chunks(parsed, chunks, TOKENIZER)


def test_chunk_neither_starts_nor_ends_with_a_component_tag() -> None:
    parsed, chunks = chunk_page("import A from 'a'\n\n# T\n\n<A>\n\nInside\n\n</A>\n", "page.mdx")
    assert [parsed.text[piece.start : piece.end] for piece in chunks] == ["# T\n\n<A>\n\nInside"]


def test_batch_yields_the_same_chunks_as_single_pages() -> None:
    pages = [parse(key, content, "text/markdown") for key, content in FILES.items()]
    together = chunk(pages, TOKENIZER)
    assert together == [chunk([page], TOKENIZER)[0] for page in pages]
    for page, chunks in zip(pages, together, strict=True):
        check_chunks(page, chunks, TOKENIZER)


def test_corpus_has_few_tiny_chunks() -> None:
    pages = [parse(key, content, "text/markdown") for key, content in FILES.items()]
    sizes = sorted(piece.token_count for chunks in chunk(pages, TOKENIZER) for piece in chunks)
    assert TARGET_TOKENS * 0.6 < sizes[len(sizes) // 2] <= TOKENIZER.max_tokens
    assert sum(size < TINY_TOKENS for size in sizes) <= len(sizes) // 20


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("H<sub>2</sub>O", 1), ("a<br>b", 2), ("a<br> b", 2), ("a<br>.", 2), ("a <br> <br>b", 2), ("a<sub></sub>b c", 2)],
)
def test_tokens_are_counted_in_what_is_left_of_words_with_markup(text: str, tokens: int) -> None:
    parsed, chunks = chunk_page(text)
    assert chunks[0].token_count == tokens + 1  # of the title, `Page`
    check_chunks(parsed, chunks, TOKENIZER)


@given(st.lists(PARTS, max_size=10).map("\n\n".join), st.booleans())
def test_chunks_fit_the_model_and_cover_every_block_in_order(text: str, mdx: bool) -> None:
    check_chunks(*chunk_page(text, "page.mdx" if mdx else "page.md"), TOKENIZER)


@given(st.lists(WORDS, max_size=300).map("".join))
def test_chunks_of_odd_words_fit_the_model(text: str) -> None:
    check_chunks(*chunk_page(text), TOKENIZER)
