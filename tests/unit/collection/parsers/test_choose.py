"""Which parser reads a document: by media type, then by file extension, then as text."""

import pytest

from functions.collection.parsers.choose import BuiltInParser, choose


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.md", "text/markdown"),
        ("a", "text/markdown; charset=utf-8"),
        ("a.mdx", "text/plain"),
        ("a.txt", "text/plain"),
        ("a.rst", "text/x-rst"),
        ("a.json", "application/json"),
        ("a", "application/problem+json"),
        ("a.bin", "application/octet-stream"),
        ("Makefile", ""),
    ],
)
def test_text_is_parsed_as_markdown(name: str, media_type: str) -> None:
    parser = choose(name, media_type).parser
    assert isinstance(parser, BuiltInParser)
    assert parser.name == "markdown"


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.png", "image/png"),
        ("a.docx", "application/zip"),
        ("a.svg", "image/svg+xml"),
        ("a.ipynb", "application/x-ipynb+json"),
    ],
)
def test_other_format_without_a_parser_is_a_problem(name: str, media_type: str) -> None:
    choice = choose(name, media_type)
    assert choice.parser is None
    assert choice.problem == (
        f"no installed parser reads {media_type}; install one, or exclude such files from the source"
    )


def test_file_extension_is_the_last_part_of_the_name() -> None:
    assert choose("docs.md/a.png", "image/png").parser is None
    assert choose("a.tar.md", "application/zip").parser == choose("a.md", "text/markdown").parser
    assert choose(".md", "application/zip").parser is None
