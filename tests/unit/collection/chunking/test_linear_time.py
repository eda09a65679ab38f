"""The time to split adversarial pages into chunks grows linearly with their size, and all chunks fit the model."""

import pytest

from functions.collection.chunking.chunk import chunk
from functions.collection.parsers.parse import ParsedDocument
from headwater.embedding.constant import WordTokenizer
from tests.harness.adversarial.markdown import MARKDOWN
from tests.harness.adversarial.mdx import MDX
from tests.harness.chunk_invariants import check_chunks
from tests.harness.growth import check_linear
from tests.harness.parsing import parse


@pytest.mark.sampled(17)
@pytest.mark.parametrize("name", MARKDOWN)
def test_chunking_takes_linear_time(name: str) -> None:
    def page(size: int) -> ParsedDocument:
        return parse("page.md", MARKDOWN[name](size).encode(), "text/markdown")

    # Lines that outgrow a chunk are split at words, which takes twice the time once.
    has_growing_lines = any(word in name for word in ("growing", "shrinking", "over lines"))
    smallest = 256_000 if "square" in name else 64_000 if has_growing_lines else 8_000
    check_linear(lambda parsed: chunk([parsed], WordTokenizer()), page, smallest=smallest)


@pytest.mark.sampled(5)
@pytest.mark.parametrize("name", MARKDOWN | MDX)
def test_chunks_of_adversarial_pages_fit_the_model(name: str) -> None:
    for key in ("page.md", "page.mdx"):
        parsed = parse(key, (MARKDOWN | MDX)[name](8_000).encode(), "text/markdown")
        check_chunks(parsed, chunk([parsed], WordTokenizer())[0], WordTokenizer())
