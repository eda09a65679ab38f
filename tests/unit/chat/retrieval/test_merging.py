"""Passages of several chunks, distinct texts, and diversity by document."""

import uuid
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from functions.chat.retrieval.merging import MAX_TOKENS, Distinct, Found, body, choose, merge
from headwater.passages import excerpt
from tests.unit.chat.retrieval.test_ranking import match


def found(
    text: str, *, document: int = 1, ordinal: int = 0, start: int = 0, gap: str | None = "\n", **changes: Any
) -> Found:
    """Return a chunk of a document."""
    values: dict[str, Any] = {
        "match": match(ordinal, changes.pop("points", 1.0)),
        "document_id": uuid.UUID(int=document),
        "key": "a.md",
        "title": "A",
        "url": None,
        "media_type": "text/markdown",
        "language": "en",
        "heading_path": [],
        "text": text,
        "markup": [],
        "table_header": None,
        "start": start,
        "end": start + len(text),
        "first": ordinal,
        "last": ordinal,
        "gap": gap,
        "tokens": 10,
        "documents": 1,
    }
    return Found(**(values | changes))


def test_choose_prefers_other_documents_that_are_nearly_as_good() -> None:
    long_page = [found(f"p{n}", ordinal=2 * n, points=2.0 - n / 10) for n in range(5)]
    others = [found(f"o{n}", document=2 + n, points=points) for n, points in enumerate((1.7, 1.05))]
    chosen = choose([*long_page, *others], 7)
    assert [item.text for item in chosen] == ["p0", "o0", "p1", "p2", "p3", "o1", "p4"]
    assert [round(item.match.points, 2) for item in chosen] == [2.0, 1.7, 1.6, 1.2, 1.1, 1.05, 1.0]


@given(st.lists(st.tuples(st.integers(1, 4), st.floats(-3, 3)), max_size=30), st.integers(1, 12))
def test_choose_keeps_the_order_of_documents(items: list[tuple[int, float]], k: int) -> None:
    ranked = sorted(items, key=lambda item: -item[1])
    passages = [found(str(n), document=doc, ordinal=2 * n, points=points) for n, (doc, points) in enumerate(ranked)]
    chosen = choose(passages, k)
    documents = list(dict.fromkeys(item.document_id.int for item in chosen))
    by_best = list(dict.fromkeys(document for document, _ in ranked))
    assert len(chosen) == min(k, len(items))
    assert documents == by_best[: len(documents)]
    assert len(documents) >= len({document for document, _ in ranked[:k]})
    points = [item.match.points for item in chosen]
    assert points == sorted(points, reverse=True)


def test_choose_joins_three_neighbours_and_fills_the_free_place() -> None:
    text = "one two three"
    spans = [(0, 3), (4, 7), (8, 13)]
    points = [2.0, 1.0, 1.9]
    parts = [found(text[a:b], ordinal=n, start=a, gap=" ", points=points[n]) for n, (a, b) in enumerate(spans)]
    ranked = [parts[0], parts[2], parts[1], found("far", document=2, points=0.5)]
    chosen = choose(ranked, 2)
    assert [(item.text, item.start, item.end) for item in chosen] == [("one", 0, 3), ("three", 8, 13)]
    chosen = choose(ranked, 3)
    assert [(item.text, item.start, item.end) for item in chosen] == [("one two three", 0, 13), ("far", 0, 3)]


@pytest.mark.parametrize(
    "changes",
    [
        {"document": 2},
        {"ordinal": 2},
        {"gap": None},
        {"tokens": MAX_TOKENS},
        {"match": replace(match(1, 1.0), stands_out=False)},
    ],
)
def test_choose_joins_only_neighbours_of_one_document_that_stand_out(changes: dict[str, Any]) -> None:
    one, two = found("one", points=1.1), found("two", ordinal=1, start=4)
    for first, second in ((one, two), (two, one)):
        assert [item.text for item in choose([first, second], 2)] == ["one\ntwo"]
    other = found("two", **{"ordinal": 1, "start": 4, **changes})
    assert [item.text for item in choose([one, other], 2)] == ["one", "two"]


def test_joined_passage_is_relevant_if_a_part_is() -> None:
    for relevances in ((True, False), (False, True), (False, False)):
        parts = [
            found(str(n), ordinal=n, match=replace(match(n, 2.0 - n), relevant=relevant))
            for n, relevant in enumerate(relevances)
        ]
        [joined] = choose(parts, 2)
        assert joined.match.relevant is any(relevances)


def test_joined_passage_keeps_the_points_of_its_place() -> None:
    passages = [found(str(n), ordinal=n, points=points) for n, points in ((0, 2.0), (4, 1.95), (1, 1.2), (3, 1.8))]
    chosen = choose(passages, 3)
    assert [(item.text, round(item.match.points, 2)) for item in chosen] == [("0\n1", 2.0), ("3\n4", 1.65)]


@given(
    st.lists(
        st.tuples(st.text("ab %|", min_size=1, max_size=12), st.text("\n -<!>", max_size=6)), min_size=2, max_size=5
    ),
    st.randoms(use_true_random=False),
)
def test_merged_passage_is_the_documents_text_with_all_markup(parts: Sequence[tuple[str, str]], random: Any) -> None:
    document, chunks, markup = "", [], []
    for n, (text, gap) in enumerate(parts):
        document += gap
        hidden = sorted(random.sample(range(len(text) + 1), 2)) if len(text) > 1 else []
        markup += [offset + len(document) for offset in hidden]
        chunks.append(found(text, ordinal=n, start=len(document), gap=gap if n else None, markup=hidden))
        document += text
    merged = chunks.pop(random.randrange(len(chunks)))
    while chunks:
        other = next(chunk for chunk in chunks if chunk.first in (merged.first - 1, merged.last + 1))
        chunks.remove(other)
        merged = merge(merged, other)
    assert merged.text == document[merged.start : merged.end]
    shown = {n for start, end in zip(merged.markup[::2], merged.markup[1::2], strict=True) for n in range(start, end)}
    gaps = {n - merged.start for n, char in enumerate(document) if char in "-<!>" and n >= merged.start}
    own = {n - merged.start for a, b in zip(markup[::2], markup[1::2], strict=True) for n in range(a, b)}
    assert shown >= gaps | own
    assert excerpt(merged.text, merged.markup) == merged.excerpt


def test_merged_passage_has_the_table_header_of_its_first_chunk() -> None:
    header = "| a |\n|---|"
    one = found("| 1 |", ordinal=1, table_header=header)
    two = found("| 2 |", ordinal=2, start=6, table_header=header)
    assert merge(one, two).excerpt == f"{header}\n| 1 |\n| 2 |"


def test_body_ignores_headings_before_the_text() -> None:
    assert body("# A\n\n## B\n\nRun  it.\n# now\n") == "Run it. # now"
    assert body("#!/bin/sh\nls") == "#!/bin/sh ls"
    assert body("# A\n## B") == "# A ## B"
    assert body("") == ""


def test_distinct_counts_documents_with_the_same_body_once_each() -> None:
    distinct = Distinct()
    for item in (
        found("# A\nsame", documents=3),
        found("# B\nsame", document=2, documents=2),
        found("# C\nsame", documents=4),
        found("other"),
    ):
        distinct.add(item)
    assert [(item.text, item.documents) for item in distinct] == [("# A\nsame", 5), ("other", 1)]


def test_passages_on_different_pages_stay_apart() -> None:
    parts = [found(f"part {n}", ordinal=n, points=2.0 - n / 10, page=page) for n, page in enumerate((1, 1, 2))]
    assert [(one.text, one.page) for one in choose(parts, 3)] == [("part 0\npart 1", 1), ("part 2", 2)]
