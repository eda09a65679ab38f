"""Rank passages of web pages, and of the workspace's documents, together: by words and by meaning. Pure.

Words are scored among all passages that were read, as in a search of documents: BM25, fused with cosine similarity.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from functions.chat.retrieval.fusion import fuse
from functions.chat.retrieval.relevance import SHARE_THRESHOLDS, Judge, is_relevant
from functions.chat.retrieval.search import Passage
from functions.chat.web.page_text import PagePassage, PageText
from headwater.words.analysis import DEFAULT_LANGUAGE, count_words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from functions.chat.retrieval.bm25 import QueryWord, WordScores

EMBEDDED = 3
"""Passages of a page that are embedded: those with most words of the question."""

PER_PAGE = 3
"""Passages of a page, or of a document, that an answer is given, at most."""


class WebPassage(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a web page: `text[start:end]` of its main text. The other fields are those of `search.Passage`."""

    url: str
    title: str
    heading_path: list[str]
    text: str
    start: int
    end: int
    score: float
    similarity: float | None
    overlap: float
    relevant: bool

    @property
    def excerpt(self) -> str:
        """The text as it is shown."""
        return self.text

    @property
    def host(self) -> str:
        """The host of the page."""
        return urlsplit(self.url).hostname or ""


Evidence = Passage | WebPassage
"""What an answer may cite."""


class ReadPage(msgspec.Struct, frozen=True):
    """A page, the numbers of its passages that may be cited, and their vectors: float32, n × dim.

    There are no vectors if the embedding model doesn't know the page's language.
    """

    url: str
    page: PageText
    chosen: Sequence[int]
    vectors: "NDArray[np.float32] | None" = None


def best_by_words(passages: Sequence[PagePassage], query: "Sequence[QueryWord]") -> list[int]:
    """Return the numbers of the passages of a page that are worth comparing with the question, in their order."""

    def matched(passage: PagePassage) -> tuple[float, int]:
        found = [word for word in query if any(number in passage.words for number in word.ids)]
        counts = sum(passage.words.get(number, 0) for word in found for number in word.ids)
        return sum(word.weight for word in found), counts

    scores = [matched(passage) for passage in passages]
    best = sorted(range(len(passages)), key=lambda n: (*(-score for score in scores[n]), n))
    return sorted(best[:EMBEDDED])


class Question(msgspec.Struct, frozen=True):
    """A question: its words, its vector, and its judges of passages by language (`relevance`)."""

    words: "Sequence[QueryWord]"
    vector: "NDArray[np.float32] | None" = None
    judges: Mapping[str, Judge] = {}


def rank_evidence(
    question: Question, pages: Sequence[ReadPage], documents: Sequence[Passage], k: int, per_owner: int = PER_PAGE
) -> list[Evidence]:
    """Return the `k` best relevant passages of pages and documents, best first, at most `per_owner` of each."""
    found = [*_candidates(question, pages, documents)]
    if not found:
        return []
    fused = fuse([score for _, score in found], [one.similarity for one, _ in found])
    taken: Counter[str] = Counter()
    chosen: list[Evidence] = []
    for score, (evidence, _) in sorted(zip(fused, found, strict=True), key=lambda one: -one[0]):
        owner = evidence.url if isinstance(evidence, WebPassage) else str(evidence.document_id)
        if evidence.relevant and taken[owner] < per_owner and len(chosen) < k:
            taken[owner] += 1
            chosen.append(msgspec.structs.replace(evidence, score=score))
    return chosen


def _candidates(
    question: Question, pages: Sequence[ReadPage], documents: Sequence[Passage]
) -> Iterator[tuple[Evidence, float]]:
    """Yield the passages that are compared, with their scores by words."""
    scores = _score_words(question, pages, documents)
    first = 0
    for read in pages:
        judge = question.judges.get(read.page.language)
        similarities: list[float | None] = [None] * len(read.chosen)
        if judge is not None and read.vectors is not None and question.vector is not None:
            similarities = (read.vectors @ question.vector).tolist()
        for n, similarity in zip(read.chosen, similarities, strict=True):
            score, overlap = scores.of(first + n)
            yield _web_passage(read, n, similarity, overlap, judge), score
        first += len(read.page.passages)
    for n, document in enumerate(documents):
        yield document, scores.of(first + n)[0]


def _score_words(question: Question, pages: Sequence[ReadPage], documents: Sequence[Passage]) -> "WordScores":
    """Score all passages by words. They are numbered in the order of pages and documents."""
    import numpy as np

    from functions.chat.retrieval.bm25 import Occurrences, Statistics, score, word_weights

    counts = [passage.words for read in pages for passage in read.page.passages]
    counts += [_document_words(document) for document in documents]
    wanted = word_weights(question.words)
    lengths = [sum(words.values()) for words in counts]
    rows = [
        (word, n, words[word], lengths[n]) for n, words in enumerate(counts) for word in wanted.keys() & words.keys()
    ]
    columns = np.array(rows, np.int64).reshape(-1, 4).T
    frequencies = Counter(columns[0].tolist())
    statistics = Statistics(len(counts), max(sum(lengths) / max(len(counts), 1), 1.0), frequencies)
    return score(Occurrences(*columns), statistics, question.words, beyond_chance=False)


def _document_words(document: Passage) -> dict[int, int]:
    return count_words("\n".join((document.title, *document.heading_path, document.excerpt)), DEFAULT_LANGUAGE)


def _web_passage(read: ReadPage, n: int, similarity: float | None, overlap: float, judge: Judge | None) -> WebPassage:
    passage, page = read.page.passages[n], read.page
    return WebPassage(
        url=read.url,
        title=page.title,
        heading_path=passage.heading_path,
        text=page.text[passage.start : passage.end],
        start=passage.start,
        end=passage.end,
        score=0.0,
        similarity=similarity,
        overlap=overlap,
        relevant=is_relevant(judge, similarity, overlap, SHARE_THRESHOLDS),
    )
