"""The citation filter: citations of passages that were not retrieved are removed, at any token boundaries."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.chat.answers.citations import CitationFilter


def run(text: str, allowed: set[int]) -> str:
    """Filter a text in one piece."""
    citations = CitationFilter(allowed)
    return citations.feed(text) + citations.finish()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Install it [1].", "Install it [1]."),
        ("Install it [9].", "Install it."),
        ("Both [1][2] say so.", "Both [1][2] say so."),
        ("Both [1][9][2] say so.", "Both [1][2] say so."),
        ("A list [1, 3] is split.", "A list [1][3] is split."),
        ("A list [1,9 ; 3] is sifted.", "A list [1][3] is sifted."),
        (f"No number [{'1' * 5000}] of a passage.", "No number of a passage."),
        ("A range [1-3] is spelled out.", "A range [1][2][3] is spelled out."),
        ("A range [2\u20139] ends where the passages end.", "A range [2][3] ends where the passages end."),
        ("A year [2019] is no passage.", "A year is no passage."),
        ("Zero [0] and a padded [01].", "Zero and a padded [1]."),
        ("It goes on [9] after.", "It goes on after."),
        ("[9] begins and ends [9]", " begins and ends"),
    ],
)
def test_only_citations_of_retrieved_passages_remain(text: str, expected: str) -> None:
    assert run(text, {1, 2, 3}) == expected


@pytest.mark.parametrize(
    "text",
    [
        "[link](https://example.org/a)",
        "[x] and [ ] and [^9] and []",
        "- [ ] open\n- [x] done\n",
        r"an escaped \[9] bracket",
        "a span `rows[9]` of code",
        "a span ``with ` rows[9]`` of code",
        "```python\nrows[9]\n```\n",
        "~~~\nrows[9]\n~~~\n",
        "> ```\n> rows[9]\n> ```\n",
        "1. ```\n   rows[9]\n   ```\n",
        "````\n```\nrows[9]\n````\n",
        "```\nnever closed [9]",
        "an unfinished [9",
        "trailing spaces  \n\nand a lone \\",
    ],
)
def test_code_links_and_other_brackets_are_unchanged(text: str) -> None:
    assert run(text, set()) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a stray ` backtick [9] here", "a stray ` backtick here"),
        ("`one` [9] `two`", "`one` `two`"),
        ("`a [9]\nb` [9]", "`a\nb`"),
        ("```\ncode[9]\n```\ntext [9]", "```\ncode[9]\n```\ntext"),
        ("```not a fence``` [9]", "```not a fence```"),
        ("```\ncode\n``` not closing [9]\n```\ntext [9]", "```\ncode\n``` not closing [9]\n```\ntext"),
        (r"\` [9] \`", r"\` \`"),
    ],
)
def test_citations_next_to_apparent_code_are_filtered(text: str, expected: str) -> None:
    assert run(text, set()) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see [1](https://evil.example)", "see [1] (https://evil.example)"),
        ("see ![1](https://evil.example/a.png)", "see ![1] (https://evil.example/a.png)"),
        ("see [docs][9](https://evil.example)", "see [docs] (https://evil.example)"),
        ("[1]: https://evil.example\n", "[1] : https://evil.example\n"),
        ("As said [1]: yes", "As said [1]: yes"),
    ],
)
def test_citation_cannot_become_a_link(text: str, expected: str) -> None:
    assert run(text, {1}) == expected


def test_cited_contains_the_remaining_numbers() -> None:
    citations = CitationFilter({1, 2, 3})
    citations.feed("[1] `[2]` [3, 9]")
    citations.finish()
    assert citations.cited == {1, 3}


def test_text_without_brackets_is_not_delayed() -> None:
    citations = CitationFilter({1})
    assert [citations.feed(piece) for piece in ("Hel", "lo, wor", "ld [", "1", "] ")] == [
        "Hel",
        "lo, wor",
        "ld",
        "",
        " [1]",
    ]
    assert citations.finish() == " "


# Mostly characters with a meaning to the filter, so that its rules interact.
_MARKDOWN = st.lists(
    st.sampled_from(
        [
            *"`~[]()!:\\->*,; \n\t",
            "```",
            "\n```",
            "~~~",
            "\n",
            "[1]",
            "[9]",
            " [2]",
            "[1, 9]",
            "[1-3]",
            "[1]:",
            "1.",
            "é",
        ]
    )
    | st.text(max_size=3),
    max_size=30,
).map("".join)


@given(_MARKDOWN, st.data())
def test_result_does_not_depend_on_token_boundaries(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=len(text))))
    citations = CitationFilter({1, 2})
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert "".join(map(citations.feed, pieces)) + citations.finish() == run(text, {1, 2})


@given(_MARKDOWN)
def test_only_citations_and_spaces_change(text: str) -> None:
    def strip(markdown: str) -> str:
        return re.sub(r"\[[0-9,; \t\u2013-]*\]|\s", "", markdown)

    assert strip(run(text, {1, 2})) == strip(text)


@given(st.text(alphabet="ab [](),;:!?.-0123456789\n", max_size=80))
def test_unknown_numbers_are_removed_outside_code(text: str) -> None:
    assert {int(n) for n in re.findall(r"\[([0-9]+)\]", run(text, {1, 2}))} <= {1, 2}
