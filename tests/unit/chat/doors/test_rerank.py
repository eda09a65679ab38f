"""Reranking in the shape of Cohere's API."""

from collections.abc import Sequence

import pytest

from functions.chat.doors.rerank import RerankRequest, RerankResult, Text, rerank
from functions.chat.retrieval.reranking import Reranking
from headwater.errors import NotFound, UnprocessableContent, UpstreamError


class Lengths:
    """Scores texts by their length."""

    def score(self, query: str, texts: Sequence[str], timeout_s: float) -> Sequence[float]:
        if query == "fail":
            raise ValueError(f"no scores within {timeout_s} s")
        return [len(text) / 100 for text in texts]


RERANKING = Reranking("test:lengths", Lengths, 5.0)


def test_rerank_returns_the_best_first() -> None:
    response = rerank(RerankRequest("q", ["ab", Text("abcd"), "a"], top_n=2, return_documents=True), RERANKING, 100)
    assert response.model == "test:lengths"
    assert response.results == [RerankResult(1, 0.04, Text("abcd")), RerankResult(0, 0.02, Text("ab"))]


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (RerankRequest("q", ["a"], model="other"), NotFound),
        (RerankRequest(" ", ["a"]), UnprocessableContent),
        (RerankRequest("q" * 101, ["a"]), UnprocessableContent),
        (RerankRequest("q", ["a", " "]), UnprocessableContent),
        (RerankRequest("fail", ["a"]), UpstreamError),
    ],
)
def test_rerank_refuses(request_: RerankRequest, error: type[Exception]) -> None:
    with pytest.raises(error):
        rerank(request_, RERANKING, 100)
