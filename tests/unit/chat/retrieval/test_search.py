"""Search without a database: vectors as text."""

from functions.chat.retrieval.search import halfvec


def test_halfvec_matches_the_syntax_of_pgvector() -> None:
    assert halfvec([0.1, -0.25, 1e-9]) == "[0.1,-0.25,1e-09]"
