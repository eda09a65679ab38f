"""Search without a database: vectors as text, and which passages are relevant."""

import pytest

from functions.chat.retrieval.search import halfvec, is_relevant
from tests.fakes.chat_provider import fake_passage


def test_halfvec_matches_the_syntax_of_pgvector() -> None:
    assert halfvec([0.1, -0.25, 1e-9]) == "[0.1,-0.25,1e-09]"


@pytest.mark.parametrize(
    ("similarity", "overlap", "relevant"),
    [(0.5, 0.3, True), (0.5, 0.2, False), (0.8, 0.0, True), (None, 0.5, True), (None, 0.4, False), (-0.1, 1.0, True)],
)
def test_passage_is_relevant_by_similarity_or_overlap(similarity: float | None, overlap: float, relevant: bool) -> None:
    assert is_relevant(fake_passage("text", similarity=similarity, overlap=overlap)) is relevant
