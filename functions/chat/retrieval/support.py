"""Compare statements with the passages that they cite: by words, and by meaning if they share few."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from functions.chat.common_words import common_words
from functions.chat.retrieval.relevance import SHARE_THRESHOLDS, Scales, is_relevant
from headwater import tracing
from headwater.database.transactions import Database
from headwater.embedding.active_model import read_active_model
from headwater.embedding.base import Embedder
from headwater.embedding.hosted.recording import Recorder
from headwater.usage.record import Payer
from headwater.words.analysis import DEFAULT_LANGUAGE, count_words

if TYPE_CHECKING:
    from functions.chat.retrieval.bm25 import QueryWord

ENOUGH_WORDS = 0.6
"""Share of a statement's words in a passage that suffices. Vectors decide about statements with less."""

MIN_WEIGHT = 3.0
"""Words of a statement that is judged, at least."""

MAX_COMPARED = 16
"""Statements that are compared by meaning, at most. Others without enough words are not judged."""


class Text(NamedTuple):
    """A passage: its text with title and headings, and its document, None for one without a known language."""

    text: str
    document_id: uuid.UUID | None = None


class Statement(NamedTuple):
    """A statement and the passages that it cites."""

    text: str
    passages: Sequence[Text]


class Support:
    """Compares statements with passages. One per instance; safe to share between threads."""

    def __init__(self, database: Database, embedder: Callable[[str], Embedder], recorder: Recorder) -> None:
        self._database = database
        self._embedder = embedder
        self._recorder = recorder
        self._scales = Scales()

    def __call__(self, workspace_id: uuid.UUID, statements: Sequence[Statement]) -> list[bool]:
        """Return whether each statement may be from one of its passages, by the measure of a search (`relevance`)."""
        documents = {passage.document_id for statement in statements for passage in statement.passages}
        with self._database.transaction(workspace_id) as tx:
            values = {"workspace_id": workspace_id, "ids": [str(one) for one in documents if one]}
            languages = {row.id: row.language or DEFAULT_LANGUAGE for row in tx.execute(_LANGUAGES, values)}
        known = sorted({DEFAULT_LANGUAGE, *languages.values()})
        overlaps = [
            [overlap(statement.text, passage.text, known) for passage in statement.passages] for statement in statements
        ]
        doubtful = [n for n, shares in enumerate(overlaps) if max(shares, default=1.0) < ENOUGH_WORDS]
        supported = [True] * len(statements)
        for n in doubtful[:MAX_COMPARED]:
            supported[n] = False
        if doubtful:
            chosen = doubtful[:MAX_COMPARED]
            compared = [(statements[n], overlaps[n]) for n in chosen]
            for n, is_supported in zip(chosen, self._compare(workspace_id, compared, languages, known), strict=True):
                supported[n] = is_supported
        return supported

    def _compare(
        self,
        workspace_id: uuid.UUID,
        compared: Sequence[tuple[Statement, Sequence[float]]],
        languages: Mapping[uuid.UUID, str],
        known: Sequence[str],
    ) -> list[bool]:
        """Judge statements with few common words by their vectors, too."""
        with self._database.transaction(workspace_id) as tx:
            model = read_active_model(tx)
            scales = self._scales.read(tx, model.id, model.name, known)
        texts = list(dict.fromkeys(passage.text for statement, _ in compared for passage in statement.passages))
        with (
            tracing.embedding_span(model.name, len(texts) + len(compared)),
            self._recorder.recording(Payer(workspace_id), model.name),
        ):
            embedder = self._embedder(model.name)
            vectors = dict(zip(texts, embedder.embed_documents(texts), strict=True))
            queries = embedder.embed_queries([statement.text for statement, _ in compared])
        results = []
        for (statement, shares), query in zip(compared, queries, strict=True):
            judges = scales.judges(query)
            is_supported = False
            for passage, share in zip(statement.passages, shares, strict=True):
                language = languages.get(passage.document_id, DEFAULT_LANGUAGE) if passage.document_id else ""
                judge = judges.get(language or DEFAULT_LANGUAGE)
                similarity = float(vectors[passage.text] @ query)
                is_supported |= is_relevant(judge, similarity, share, SHARE_THRESHOLDS)
            results.append(is_supported)
        return results


def overlap(statement: str, passage: str, languages: Sequence[str]) -> float:
    """Return the share of a statement's words that a passage has. Common words such as "used" count half.

    A statement with hardly any words, such as "Yes.", can't be judged by them: its share is 1.
    """
    from functions.chat.retrieval.words import weigh_words  # imports numpy

    words: Sequence[QueryWord] = weigh_words(statement, languages, common_words(tuple(languages)))
    ids: set[int] = set()
    for language in languages:
        ids |= count_words(passage, language).keys()
    total = sum(word.weight for word in words)
    if total < MIN_WEIGHT:
        return 1.0
    return sum(word.weight for word in words if not ids.isdisjoint(word.ids)) / total


_LANGUAGES = sa.text("""
    select id, language from documents where workspace_id = :workspace_id and id = any(cast(:ids as uuid[]))
""")
