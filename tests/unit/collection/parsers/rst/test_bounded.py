"""Bounds of reStructuredText: long paragraphs, many directives and targets, substitutions."""

import pytest

from functions.collection.parsers.rst.bounded import MAX_CHARS, MAX_QUOTED_BLOCKS, MAX_TARGETS
from functions.collection.parsers.rst.parser import parse
from headwater.errors import PermanentError


def text(source: str) -> str:
    return parse("a.rst", source.encode(), "text/x-rst").text


def test_long_paragraph_keeps_its_text_and_links() -> None:
    sentence = "See the `guide <https://guide.example>`_ or *ask* a ``colleague`` of the plant. "
    parsed = parse("a.rst", (sentence * 100).encode(), "text/x-rst")
    assert len(sentence) * 100 > 2 * MAX_CHARS
    assert parsed.text == ("See the [guide](https://guide.example) or ask a `colleague` of the plant. " * 100).strip()
    assert len(parsed.links or ()) == 100


def test_long_paragraph_is_not_cut_at_an_escaped_space() -> None:
    assert text(r"a\ b" * 1_500) == "ab" * 1_500


def test_substitution_within_another_is_left_as_written() -> None:
    assert text(".. |a| replace:: one |b|\n.. |b| replace:: two\n\n|a| and |b|") == "one |b| and two"


def test_nested_substitutions_do_not_grow() -> None:
    levels = "".join(f".. |v{n}| replace:: |v{n + 1}| |v{n + 1}|\n" for n in range(40))
    assert text(f"{levels}.. |v40| replace:: ha\n\n|v0|") == "|v1| |v1|"


def test_substitutions_add_a_bounded_text() -> None:
    source = f".. |a| replace:: {'word ' * 2_000}\n\n" + "|a|\n\n" * 2_000
    result = text(source)
    assert 100_000 < len(result) < 4 * len(source) + 100_000
    assert result.endswith("|a|")


@pytest.mark.parametrize("directive", ["contents", "sectnum", "target-notes"])
def test_many_directives_that_read_the_document_do_nothing(directive: str) -> None:
    assert text("Title\n=====\n\n" + f".. {directive}::\n\nText.\n\n" * 1_000).endswith("Text.")


def test_targets_in_a_row_have_the_address_of_the_last() -> None:
    source = ".. _one:\n.. _two: https://a.example\n\nSee one_ and two_."
    assert text(source) == "See [one](https://a.example) and [two](https://a.example)."
    others = "".join(f".. _t{n}: https://t.example/{n}\n" for n in range(MAX_TARGETS))
    assert text(source + "\n\n" + others) == "See one and [two](https://a.example)."


def test_deep_nesting_is_refused() -> None:
    source = "".join(f"{'  ' * n}* a\n\n" for n in range(400))
    with pytest.raises(PermanentError, match=r"^its structure can't be read: it is nested too deeply\.$"):
        text(source)


def test_substitution_of_itself_is_left_as_written() -> None:
    assert text(".. |a| replace:: b |a|\n\n|a|") == "b |a|"
    assert "b.. |a| replace:: b" in text(".. |a| replace:: b" * 10 + "\n\n|a|")


def test_reference_within_the_document_is_part_of_its_sentence() -> None:
    assert text(".. _one:\n\nText.\n\nSee one_ or `that <one_>`_ there.") == "Text.\n\nSee one or that there."


def test_blocks_of_code_that_are_not_indented_are_limited() -> None:
    block, directive = "Code::\n\n> a\n\n", ".. note::\n\nText.\n\n"
    quoted = "Code:\n\n```\n> a\n```"
    assert text(directive * 400 + block).endswith(quoted)
    result = text(block * (MAX_QUOTED_BLOCKS + 1))
    assert result.count(quoted) == MAX_QUOTED_BLOCKS
    assert result.endswith(f"{quoted}\n\nCode:\n\n\\> a")


def test_roles_of_a_file_do_not_change_how_the_next_one_is_read() -> None:
    page = "See :ref:`the guide <guide>` and `this`."
    assert text(page) == "See the guide and this."
    assert (
        text(f".. role:: ref(emphasis)\n.. default-role:: literal\n\n{page}") == "See the guide \\<guide> and `this`."
    )
    assert text(page) == "See the guide and this."
