"""The embedding input, the constant model, the choice of a model, and batches by length."""

import hashlib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.embedding.base import Tokenizer, embedding_input, input_hash
from headwater.embedding.local.batches import length_batches
from headwater.embedding.registry import load_embedder, load_tokenizer
from headwater.errors import ConfigError

NOWHERE = Path("no-such-folder")


def test_embedding_input_is_a_context_line_and_the_text() -> None:
    assert embedding_input("Guide", ["Guide", "Install"], "Run pip.") == "Guide > Install\nRun pip."


@pytest.mark.parametrize(
    ("title", "heading_path", "line"),
    [
        ("Guide", [], "Guide"),
        ("Guide", ["Install", "On Linux"], "Guide > Install > On Linux"),
        ("", ["Install"], "Install"),
        ("", ["Install", "install"], "Install > install"),
        ("guide", ["Guide"], "Guide"),
        (" A\n long \ttitle ", ["", "  "], "A long title"),
    ],
)
def test_context_line_omits_empty_and_repeated_parts(title: str, heading_path: list[str], line: str) -> None:
    assert embedding_input(title, heading_path, "text") == f"{line}\ntext"


def test_embedding_input_without_context_is_the_text() -> None:
    assert embedding_input("", [], "  text\n") == "  text\n"
    assert embedding_input(" ", ["\n"], "text") == "text"


@given(st.text(), st.lists(st.text()), st.text())
def test_embedding_input_ends_with_the_unchanged_text(title: str, heading_path: list[str], text: str) -> None:
    assert embedding_input(title, heading_path, text).endswith(text)


def test_input_hash_is_sha256_of_utf8() -> None:
    assert input_hash("déjà vu") == hashlib.sha256("déjà vu".encode()).digest()
    assert len(input_hash("")) == 32


def test_unknown_model_error_lists_the_known_models() -> None:
    for load in (load_embedder, load_tokenizer):
        with pytest.raises(
            ConfigError, match="Choose one of all-MiniLM-L6-v2, all-MiniLM-L6-v2-int8, multilingual-e5-small, "
        ):
            load("word2vec", NOWHERE)


def test_missing_model_error_names_the_build_command() -> None:
    for load in (load_embedder, load_tokenizer):
        with pytest.raises(
            ConfigError, match=r"Run: python -m headwater\.embedding\.export no-such-folder all-MiniLM-L6-v2$"
        ):
            load("all-MiniLM-L6-v2", NOWHERE)


def test_constant_vectors_are_distinct_unit_vectors_in_order() -> None:
    embedder = load_embedder("constant", NOWHERE)
    texts = [f"text {number}" for number in range(500)]
    vectors = embedder.embed_documents(texts)
    assert vectors.shape == (500, embedder.dim)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    cosines = vectors @ vectors.T - np.eye(500, dtype=np.float32)
    assert np.abs(cosines).max() < 0.4
    assert abs(cosines.mean()) < 0.001
    np.testing.assert_array_equal(embedder.embed_query(texts[7]), vectors[7])
    np.testing.assert_array_equal(embedder.embed_documents(texts[::-1]), vectors[::-1])


def test_constant_vectors_are_the_same_on_every_machine() -> None:
    vector = load_embedder("constant", NOWHERE).embed_query("Hello, world!")
    np.testing.assert_allclose(vector[:4], [0.054863, -0.016217, 0.022428, 0.057623], atol=1e-6)


def test_constant_embedder_accepts_an_empty_list() -> None:
    assert load_embedder("constant", NOWHERE).embed_documents([]).shape == (0, 384)


def test_constant_tokenizer_splits_words_and_punctuation() -> None:
    tokenizer = load_tokenizer("constant", NOWHERE)
    text = "Cloud_Tasks: naïve, internationalisation!"
    assert _tokens(tokenizer, text) == ["Cloud", "_", "Tasks", ":", "naïve", ",", "internat", "ionalisa", "tion", "!"]
    assert tokenizer.starts(["", " \n"]) == [[], []]
    assert tokenizer.max_tokens == 254


@given(st.text(st.characters(max_codepoint=127)))
def test_constant_tokens_of_ascii_texts_are_those_of_others(text: str) -> None:
    tokenizer = load_tokenizer("constant", NOWHERE)
    [ascii_starts], [starts] = tokenizer.starts([text]), tokenizer.starts([f"{text} é"])
    assert ascii_starts == starts[:-1]


@given(st.text())
def test_constant_tokens_cover_all_but_whitespace(text: str) -> None:
    tokens = _tokens(load_tokenizer("constant", NOWHERE), text)
    assert all(tokens)
    assert "".join(tokens) == "".join(text.split())


def _tokens(tokenizer: Tokenizer, text: str) -> list[str]:
    """Split a text at the starts of its tokens, without the spaces after them. Only spaces precede the first."""
    starts = tokenizer.starts([text])[0]
    assert not text[: starts[0] if starts else None].strip()
    return [text[start:end].rstrip() for start, end in pairwise([*starts, len(text)])]


def test_batches_group_texts_of_similar_length() -> None:
    assert length_batches([2, 9, 3, 8], max_tokens=18) == [[1, 3], [2, 0]]


def test_text_longer_than_a_batch_gets_its_own() -> None:
    assert length_batches([5, 700], max_tokens=512) == [[1], [0]]


@given(st.lists(st.integers(min_value=2, max_value=256)), st.integers(min_value=1, max_value=1024))
def test_batches_contain_each_text_once_within_the_limit(lengths: list[int], max_tokens: int) -> None:
    batches = length_batches(lengths, max_tokens)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        longest = max(lengths[index] for index in batch)
        assert len(batch) == 1 or longest * len(batch) <= max_tokens
