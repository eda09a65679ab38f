"""Which parser reads a document: by media type, then by file extension, then as text."""

import pytest

from functions.collection.connectors.media_types import media_type
from functions.collection.parsers.choose import BuiltInParser, choose


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.md", "text/markdown"),
        ("a", "text/markdown; charset=utf-8"),
        ("a.mdx", "text/plain"),
        ("a.txt", "text/plain"),
        ("a.log", "text/x-log"),
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
        ("a.zap", "application/zip"),
        ("a.svg", "image/svg+xml"),
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
    assert choose(".md", "image/png").parser is None


def test_zip_file_is_read_by_its_extension() -> None:
    parser = choose("a.docx", "application/zip").parser
    assert isinstance(parser, BuiltInParser)
    assert parser.name == "office"


def test_media_types_of_git_files_lead_to_the_parser_of_their_extension() -> None:
    for suffix in (
        ".pdf",
        ".docx",
        ".pptx",
        ".odt",
        ".odp",
        ".xlsx",
        ".xls",
        ".ods",
        ".csv",
        ".tsv",
        ".epub",
        ".md",
        ".py",
        ".sql",
        ".eml",
        ".ipynb",
    ):
        assert choose("a", media_type(f"a{suffix}", b"")).parser == choose(f"a{suffix}", "").parser
