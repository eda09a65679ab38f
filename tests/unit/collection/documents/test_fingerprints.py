"""Stored fingerprints: the source's, with the versions of parser and chunker."""

import pytest

from functions.collection.documents.fingerprints import (
    current_suffixes,
    source_fingerprint,
    stored_fingerprint,
    with_current_versions,
)
from headwater.connectors import Entry


@pytest.mark.parametrize("key", ["a.md", "a.mdx", "a.MD", "notes.txt", "data.json", "Makefile", "a.png", "a.bin"])
def test_fingerprint_of_built_in_formats_has_the_markdown_version(key: str) -> None:
    assert stored_fingerprint(Entry(key, "7f3a")) == "7f3a.4.2"


def test_source_fingerprint_has_no_versions() -> None:
    assert source_fingerprint("7f3a.1.2") == "7f3a"
    assert source_fingerprint("by-hand-7f.3a.acme_pdf-1_2.1") == "by-hand-7f.3a"


def test_versions_are_replaced_by_the_current_ones() -> None:
    assert with_current_versions("7f3a.0.0") == "7f3a.4.2"
    assert with_current_versions("7f3a.gone_pdf-1_2.0") == "7f3a.gone_pdf-1_2.2"


def test_suffixes_are_those_of_the_installed_parsers() -> None:
    assert {".4.2", ".html-2.2", ".pdf-3.2"} <= set(current_suffixes())
