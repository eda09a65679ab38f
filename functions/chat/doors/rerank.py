"""Rerank texts by the installation's reranker, in the shape of Cohere's API.

https://docs.cohere.com/reference/rerank
"""

from typing import Annotated

import msgspec

from functions.chat.retrieval.reranking import MAX_CHARS, Reranking
from functions.chat.retrieval.routes import check_question
from headwater.errors import NotFound, UnprocessableContent, UpstreamError

MAX_DOCUMENTS = 100


class Text(msgspec.Struct, frozen=True):
    """A text to score."""

    text: str


class RerankRequest(msgspec.Struct, frozen=True):
    """A query, and the texts to score for it. The first 4,000 characters of a text count."""

    query: str
    documents: Annotated[list[str | Text], msgspec.Meta(min_length=1, max_length=MAX_DOCUMENTS)]
    model: str = ""
    top_n: Annotated[int, msgspec.Meta(ge=1)] | None = None
    return_documents: bool = False


class RerankResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """The score, from 0 to 1, of `documents[index]`."""

    index: int
    relevance_score: float
    document: Text | None = None


class RerankResponse(msgspec.Struct, frozen=True):
    """The scored texts, best first."""

    model: str
    results: list[RerankResult]


def rerank(request: RerankRequest, reranking: Reranking | None, max_query_chars: int) -> RerankResponse:
    """Score the texts of a request.

    Raises NotFound without a reranker or for another one, UnprocessableContent for an empty query, UpstreamError if the
    reranker is busy, too slow or fails.
    """
    if reranking is None:
        raise NotFound("This installation has no reranker. Its owner can set RERANKER.")
    if request.model not in ("", reranking.name):
        raise NotFound(f"Reranker not found: {request.model[:100]!r}. This installation has {reranking.name!r}.")
    query = check_question(request.query, max_query_chars, "query")
    texts = [document if isinstance(document, str) else document.text for document in request.documents]
    if not all(text.strip() for text in texts):
        raise UnprocessableContent("documents: a text is empty.")
    scores = reranking(query, [text[:MAX_CHARS] for text in texts])
    if isinstance(scores, str):
        raise UpstreamError(f"The reranker can't be used at the moment ({scores}). Try again.")
    ranked = sorted(enumerate(scores), key=lambda pair: -pair[1])[: request.top_n]
    return RerankResponse(
        reranking.name,
        [
            RerankResult(index, score, Text(texts[index]) if request.return_documents else None)
            for index, score in ranked
        ],
    )
