"""Chunks measured with the tokenizers of the local models: none exceeds a model's input."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.collection.chunking.chunk import chunk
from headwater.embedding.base import Tokenizer
from headwater.embedding.registry import load_tokenizer
from tests.harness.adversarial.markdown import MARKDOWN
from tests.harness.chunk_invariants import check_chunks
from tests.harness.corpus import FILES
from tests.harness.parsing import parse
from tests.harness.paths import MODELS

WORDS = st.one_of(
    st.sampled_from(
        ["word ", "a.b", "日本語", "e\u0301", "한글 ", "\u200b", "\x1c", "\x85", "\u2028", "[SEP]", "\n\n"]
    ),
    st.sampled_from(["x" * 99, "x" * 101 + " ", "한" * 40, "\U0001d160", "# H\n\n", "\u0958", "\ufdfa", "\ufffd", "İ"]),
    st.text(max_size=5),
)


@pytest.fixture(scope="module", params=["all-MiniLM-L6-v2", "multilingual-e5-small"])
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return load_tokenizer(request.param, MODELS)


def test_chunks_of_the_corpus_fit_the_model(tokenizer: Tokenizer) -> None:
    pages = [parse(key, content, "text/markdown") for key, content in FILES.items()]
    for page, chunks in zip(pages, chunk(pages, tokenizer), strict=True):
        check_chunks(page, chunks, tokenizer)


@settings(max_examples=60)
@given(words=st.lists(WORDS, min_size=50, max_size=400).map("".join))
def test_chunks_of_any_text_fit_the_model(tokenizer: Tokenizer, words: str) -> None:
    page = parse("page.md", words.replace("\0", "").encode(errors="ignore"), "text/markdown")
    check_chunks(page, chunk([page], tokenizer)[0], tokenizer)


@pytest.mark.sampled(5)
@pytest.mark.parametrize("name", MARKDOWN)
def test_chunks_of_adversarial_pages_fit_the_model(tokenizer: Tokenizer, name: str) -> None:
    page = parse("page.md", MARKDOWN[name](20_000).encode(), "text/markdown")
    check_chunks(page, chunk([page], tokenizer)[0], tokenizer)
