"""Parse and chunk a real documentation repository; compare the structure with markdown-it-py's."""

import os
import subprocess
from pathlib import Path

import pytest

from functions.collection.chunking.chunk import TARGET_TOKENS, TINY_TOKENS, chunk
from functions.collection.parsers.parse import ParsedDocument
from headwater.embedding.registry import load_tokenizer
from tests.harness.chunk_invariants import check_chunks
from tests.harness.commonmark import our_structure, reference_structure
from tests.harness.parsing import parse

BUNDLE = Path(os.environ.get("HEADWATER_DATA", "/nonexistent")) / "cpp-build-docs.bundle"

pytestmark = pytest.mark.skipif(not BUNDLE.exists(), reason="needs HEADWATER_DATA with cpp-build-docs.bundle")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> list[ParsedDocument]:
    clone = tmp_path_factory.mktemp("docs") / "clone"
    subprocess.run(["git", "clone", "-q", BUNDLE, clone], check=True, timeout=120)
    files = sorted(clone.rglob("*.md"))
    return [parse(str(file.relative_to(clone)), file.read_bytes(), "text/markdown") for file in files]


def test_structure_is_what_markdown_it_reports(pages: list[ParsedDocument]) -> None:
    sample = pages[::6]
    assert len(sample) > 100
    assert sum(len(page.links) for page in sample) > 500
    assert [our_structure(page) for page in sample] == [reference_structure(page.text) for page in sample]


def test_real_pages_have_no_warnings(pages: list[ParsedDocument]) -> None:
    assert {warning for page in pages for warning in page.warnings} == set()


def test_chunks_have_a_size_near_the_target(pages: list[ParsedDocument]) -> None:
    tokenizer = load_tokenizer("constant", Path())
    cut = chunk(pages, tokenizer)
    for page, chunks in zip(pages, cut, strict=True):
        check_chunks(page, chunks, tokenizer)
    sizes = sorted(piece.token_count for chunks in cut for piece in chunks)
    assert 0.7 * TARGET_TOKENS < sizes[len(sizes) // 2] < 1.1 * TARGET_TOKENS
    assert sum(size < TINY_TOKENS for size in sizes) < len(sizes) // 100
