"""The extractive model: answer with quotations from the passages. Pure.

Used when no language model is configured. Each quotation is a verbatim span of a passage's excerpt, followed by its
citation.
"""

import re
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from functools import cache
from math import log
from typing import Any

import msgspec

from functions.chat.answers.citations import CitationFilter
from functions.chat.answers.pieces import Finish, Piece
from functions.chat.answers.prompt import ModelInput, Turn
from functions.chat.answers.sentences import sentences
from functions.chat.web.ranking import Evidence, WebPassage

MAX_QUOTES = 5
MAX_QUOTES_PER_PASSAGE = 3
MIN_SHARE_OF_BEST = 0.25
LONG_WORDS = 40
_MIN_CHARS, _MAX_CHARS = 20, 600
_MIN_LETTERS = 0.7  # code whose fence is in another chunk has fewer
_UNINFORMATIVE = re.compile(r"\[[^\]]*\]\([^)]*\)\.?|.*:", re.DOTALL)  # only a link; an introduction
_BLOCK_LINES, _BLOCK_CHARS = 12, 600

_INTRODUCTION = "No language model is configured (`CHAT_MODEL`), so these are quotations from {}:\n\n"
INTRODUCTION = _INTRODUCTION.format("your documents")


class Quote(msgspec.Struct, frozen=True):
    """A span of passage `n` (from 1): `passages[n - 1].excerpt[start:end]`, and its score."""

    n: int
    start: int
    end: int
    score: float


class Extractive:
    """A chat model that quotes."""

    name = "extractive"
    configured = False

    def warm(self) -> None:
        """Do nothing: the stemmer and the stop words load in milliseconds."""

    def stream(self, _: Sequence[Turn]) -> Generator[Piece, None, None]:
        """Yield no reply."""
        yield Finish("stop")

    def write_json(self, _: Sequence[Turn], __: Mapping[str, Any]) -> Generator[Piece, None, None]:
        """Write nothing."""
        yield Finish("stop")

    def answer(self, model_input: ModelInput) -> Generator[Piece, None, None]:
        """Yield an introduction, then each quotation with its citation, in Markdown."""
        is_web = any(isinstance(passage, WebPassage) for passage in model_input.passages)
        yield _INTRODUCTION.format("what was found") if is_web else INTRODUCTION
        quotes = choose_quotes(model_input.query, model_input.passages)
        for quote in quotes:
            text = model_input.passages[quote.n - 1].excerpt[quote.start : quote.end]
            yield _quoted(text, quote.n)
        if not quotes:
            yield _quoted_block(model_input.passages[0].excerpt, 1)
        yield Finish("stop")


def choose_quotes(question: str, passages: Sequence[Evidence]) -> list[Quote]:
    """Choose at most five sentences: first those of the passage with the best one, each passage's in their order.

    score = c · p · min(1, 40 / words), where

    - c = Σ idf(t) · w(t) / Σ idf(t) over the question's terms t that occur in any sentence; w(t) = 1 if this sentence
      has t, ½ if only the passage's title or headings have it, else 0; idf(t) = ln(1 + N / n(t)), with t in n(t) of N
      sentences;
    - p = the passage's own score / the best passage's score.

    Sentences below a quarter of the best score are dropped, and so are more than three of one passage. If no sentence
    has a word of the question (vectors can find such passages), the first sentences of the first passages are quoted.

    Worked example: the question "install headwater", one passage with "Install it with pip on any system." and "It
    needs Python 3.11 or newer, nothing else.". N = 2, only `install` occurs: c = 1 and 0, the first alone is quoted.
    """
    quotes = [
        Quote(n, start, end, 0.0)
        for n, passage in enumerate(passages, start=1)
        for start, end in sentences(passage.excerpt)
        if _can_be_quoted(passage.excerpt[start:end])
    ]
    quotes = _without_repeats(quotes, passages)
    scored = _score(terms(question), quotes, passages)
    best = max((quote.score for quote in scored), default=0.0)
    if best == 0.0:
        return list({quote.n: quote for quote in reversed(quotes)}.values())[::-1][:MAX_QUOTES_PER_PASSAGE]
    chosen: list[Quote] = []
    for quote in sorted(scored, key=lambda quote: (-quote.score, quote.n, quote.start)):
        of_same = sum(other.n == quote.n for other in chosen)
        if quote.score >= MIN_SHARE_OF_BEST * best and of_same < MAX_QUOTES_PER_PASSAGE and len(chosen) < MAX_QUOTES:
            chosen.append(quote)
    order = {n: place for place, n in enumerate(dict.fromkeys(quote.n for quote in chosen))}
    return sorted(chosen, key=lambda quote: (order[quote.n], quote.start))


def _score(question: set[str], quotes: Sequence[Quote], passages: Sequence[Evidence]) -> list[Quote]:
    words = [_words(passages[quote.n - 1].excerpt[quote.start : quote.end]) for quote in quotes]
    stem = _new_stemmer()
    matches = [question & set(map(stem, of_quote)) for of_quote in words]
    heading_matches = [question & terms(" ".join([passage.title, *passage.heading_path])) for passage in passages]
    counts = Counter(term for terms_of_quote in matches for term in terms_of_quote)
    idf = {term: log(1 + len(quotes) / count) for term, count in counts.items()}
    total, best = sum(idf.values()) or 1.0, max((passage.score for passage in passages), default=1.0)
    scored = []
    for quote, of_quote, own in zip(quotes, words, matches, strict=True):
        weight = sum(idf[term] for term in own) + sum(
            idf.get(term, 0.0) / 2 for term in heading_matches[quote.n - 1] - own
        )
        length = min(1.0, LONG_WORDS / max(1, len(of_quote)))
        score = weight / total * passages[quote.n - 1].score / best * length
        scored.append(Quote(quote.n, quote.start, quote.end, score))
    return scored


def _without_repeats(quotes: Iterable[Quote], passages: Sequence[Evidence]) -> list[Quote]:
    """Drop repeated sentences, such as boilerplate."""
    first: dict[str, Quote] = {}
    for quote in quotes:
        first.setdefault(" ".join(passages[quote.n - 1].excerpt[quote.start : quote.end].split()), quote)
    return list(first.values())


def _can_be_quoted(text: str) -> bool:
    """Return True if a span makes sense alone: closed code, and no text that looks like a citation."""
    if not _MIN_CHARS <= len(text) <= _MAX_CHARS or _UNINFORMATIVE.fullmatch(text):
        return False
    if sum(char.isalpha() or char.isspace() for char in text) < _MIN_LETTERS * len(text):
        return False
    citations = CitationFilter(())
    return citations.feed(f"{text} [0]") + citations.finish() == text


def terms(text: str) -> set[str]:
    """Return the stems of a text's words, without stop words unless it has no others."""
    stem, stop_words, words = _new_stemmer(), _stop_words(), _words(text)
    return {stem(word) for word in words if word not in stop_words} or {stem(word) for word in words}


def _words(text: str) -> list[str]:
    """Split a text into words and numbers (WSL2 is WSL 2); single ASCII letters and digits are dropped."""
    return [word for word in re.findall(r"[^\W\d_]+|\d+", text.lower()) if len(word) > 1 or not word.isascii()]


def _new_stemmer() -> Callable[[str], str]:
    """Make a Snowball stemmer for English. It has state, so threads that answer at once can't share one."""
    from snowballstemmer import stemmer

    stem: Callable[[str], str] = stemmer("english").stemWord
    return stem


@cache
def _stop_words() -> frozenset[str]:
    """Load the stop words for English; the package has other languages too."""
    from stop_words import get_stop_words

    return frozenset(get_stop_words("en"))


def _quoted(text: str, n: int) -> str:
    return "> " + text.replace("\n", "\n> ") + f" [{n}]\n\n"


def _quoted_block(text: str, n: int) -> str:
    """Quote the first lines of a passage without prose, such as code or a table, unchanged."""
    lines = text[:_BLOCK_CHARS].strip("\n").split("\n")[:_BLOCK_LINES]
    longest = max((len(ticks) for ticks in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return "".join(f"> {line}\n" for line in [fence, *lines, fence]) + f">\n> [{n}]\n\n"
