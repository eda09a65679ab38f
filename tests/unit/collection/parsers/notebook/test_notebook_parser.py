"""Notebooks as Markdown: cells, outputs as text, damaged files."""

import json

import pytest

from functions.collection.parsers.notebook.parser import MAX_OUTPUT_CHARS, parse
from headwater.errors import PermanentError

CELLS = [
    {"cell_type": "markdown", "source": ["# Title\n", "\n", "Some *text*."]},
    {
        "cell_type": "code",
        "source": "print(1)",
        "outputs": [
            {"output_type": "stream", "text": ["\x1b[31m1\x1b[0m\n"]},
            {"output_type": "display_data", "data": {"image/png": "iVBORw0KGgo=", "text/plain": ["<Figure>"]}},
            {"output_type": "error", "ename": "ValueError", "evalue": "no", "traceback": ["long"]},
        ],
    },
    {"cell_type": "code", "source": "", "outputs": []},
]
NOTEBOOK = {"cells": CELLS, "metadata": {"kernelspec": {"language": "python"}}, "nbformat": 4}


def test_cells_and_the_text_of_outputs_are_kept() -> None:
    parsed = parse("a.ipynb", json.dumps(NOTEBOOK).encode(), "")
    assert parsed.text == (
        "# Title\n\nSome *text*.\n\n```python\nprint(1)\n```\n\n```text\n1\n```\n\n```text\n<Figure>\n```\n\n"
        "```text\nValueError: no\n```"
    )


def test_notebook_of_format_3_is_read() -> None:
    cells = [{"cell_type": "heading", "level": 2, "source": "H"}, {"cell_type": "code", "input": "x", "outputs": []}]
    text = parse("a.ipynb", json.dumps({"worksheets": [{"cells": cells}], "nbformat": 3}).encode(), "").text
    assert text == "## H\n\n```python\nx\n```"


def test_long_outputs_are_cut_with_a_warning() -> None:
    output = {"output_type": "stream", "text": "x" * (MAX_OUTPUT_CHARS + 1)}
    cell = {"cell_type": "code", "source": "a", "outputs": [output]}
    parsed = parse("a.ipynb", json.dumps({"cells": [cell]}).encode(), "")
    assert parsed.text.count("x") == MAX_OUTPUT_CHARS + 1  # with the x of `text`
    assert parsed.warnings == ("outputs are cut after 10,000 characters",)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is not valid JSON"),
        (json.dumps(NOTEBOOK).encode()[:50], "it is not valid JSON"),
        (b"[" * 50_000, "it is not valid JSON"),
        (b"[]", "it is not a notebook"),
        (b'{"a": 1}', "it is not a notebook"),
        (b"\0", "binary"),
    ],
)
def test_file_that_cannot_be_read_says_why(content: bytes, reason: str) -> None:
    with pytest.raises(PermanentError, match=reason):
        parse("a.ipynb", content, "")


def test_outputs_are_what_was_shown_last_and_html_without_a_text_is_markdown() -> None:
    bar = {"output_type": "stream", "text": ["1 %\r", "100 %\r\n", "done"]}
    page = {"data": {"text/html": "<table><tr><th>a</th><th>b</th></tr></table><script>x</script>"}}
    cells = [{"cell_type": "code", "source": "", "outputs": [bar, page]}]
    parsed = parse("a.ipynb", json.dumps({"nbformat": 4, "cells": cells}).encode(), "")
    assert parsed.text == "```text\n100 %\ndone\n```\n\n| a | b |\n| --- | --- |"
