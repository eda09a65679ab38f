"""The extractive model: answer with quotations from the passages. Pure.

Used when no language model is configured. Each quotation is a verbatim span of a passage's excerpt, followed by its
citation.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Generator, Iterable, Mapping, Sequence
from math import log
from typing import Any

import msgspec

from functions.chat.answers.citations import CitationFilter
from functions.chat.answers.pieces import Finish, Piece
from functions.chat.answers.prompt import ModelInput, Turn
from functions.chat.answers.sentences import sentences
from functions.chat.answers.understanding.cues import likely_languages
from functions.chat.common_words import common_words
from functions.chat.web.ranking import Evidence, WebPassage
from headwater.words.analysis import DEFAULT_LANGUAGE, count_words, query_words

MAX_QUOTES = 5
MAX_QUOTES_PER_PASSAGE = 3
MIN_SHARE_OF_BEST = 0.25
LONG_WORDS = 40
_MIN_COLUMNS, _MAX_CHARS = 20, 600
_MIN_LETTERS = 0.7  # code whose fence is in another chunk has fewer
_UNINFORMATIVE = re.compile(r"\[[^\]]*\]\([^)]*\)\.?|.*:", re.DOTALL)  # only a link; an introduction
_CODE_SPAN = re.compile(r"(?<!`)`[^`\n]+`(?!`)")  # of its signs, few are letters
_BLOCK_LINES, _BLOCK_CHARS = 12, 600

_INTRODUCTION = "No language model is configured (`CHAT_MODELS`), so these are quotations from {}:\n\n"
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
        """Do nothing: the stemmers and the stop words load in milliseconds."""

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

    - c = Σ idf(t) · w(t) / Σ idf(t) over the question's words t, without stop words, that occur in any sentence;
      w(t) = 1 if this sentence has t, ½ if only the passage's title or headings have it, else 0; idf(t) = ln(1 + N /
      n(t)), with t in n(t) of N sentences. Words are cut and stemmed as for the search, in the passages' language;
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
    scored = _score(question, quotes, passages)
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


def _score(question: str, quotes: Sequence[Quote], passages: Sequence[Evidence]) -> list[Quote]:
    language = _language(passages)
    terms = _terms(question, language)
    counts = [count_words(passages[quote.n - 1].excerpt[quote.start : quote.end], language) for quote in quotes]
    matches = [terms.intersection(words) for words in counts]
    headings = ["\n".join([passage.title, *passage.heading_path]) for passage in passages]
    heading_matches = [terms.intersection(count_words(text, language)) for text in headings]
    quotes_with = Counter(term for terms_of_quote in matches for term in terms_of_quote)
    idf = {term: log(1 + len(quotes) / n) for term, n in quotes_with.items()}
    total, best = sum(idf.values()) or 1.0, max((passage.score for passage in passages), default=1.0)
    scored = []
    for quote, words, own in zip(quotes, counts, matches, strict=True):
        weight = sum(idf[term] for term in own) + sum(
            idf.get(term, 0.0) / 2 for term in heading_matches[quote.n - 1] - own
        )
        length = min(1.0, LONG_WORDS / max(1, sum(words.values())))
        score = weight / total * passages[quote.n - 1].score / best * length
        scored.append(Quote(quote.n, quote.start, quote.end, score))
    return scored


def _language(passages: Sequence[Evidence]) -> str:
    """Return the language of most passages' stop words."""
    likely = likely_languages("\n".join(passage.excerpt for passage in passages))
    return DEFAULT_LANGUAGE if DEFAULT_LANGUAGE in likely else likely[0]


def _terms(question: str, language: str) -> set[int]:
    """Return the ids of a question's words, without stop words unless it has no others."""
    words, common = query_words(question, [language]), common_words((language,))
    words = [word for word in words if word.text not in common] or words
    return {word_id for word in words for word_id in word.ids}


def _without_repeats(quotes: Iterable[Quote], passages: Sequence[Evidence]) -> list[Quote]:
    """Drop repeated sentences, such as boilerplate."""
    first: dict[str, Quote] = {}
    for quote in quotes:
        first.setdefault(" ".join(passages[quote.n - 1].excerpt[quote.start : quote.end].split()), quote)
    return list(first.values())


def _can_be_quoted(text: str) -> bool:
    """Return True if a span makes sense alone: closed code, and no text that looks like a citation."""
    if _columns(text) < _MIN_COLUMNS or len(text) > _MAX_CHARS or _UNINFORMATIVE.fullmatch(text):
        return False
    prose = _CODE_SPAN.sub("", text)
    letters = "".join(char for char in prose if unicodedata.category(char)[0] in "LMZ" or char == "\n")
    if not letters.strip() or _columns(letters) < _MIN_LETTERS * _columns(prose):
        return False
    citations = CitationFilter(())
    return citations.feed(f"{text} [0]") + citations.finish() == text


def _columns(text: str) -> int:
    """Return a text's width in a terminal: a Chinese character takes two columns, and says more than a letter."""
    return len(text) + sum(unicodedata.east_asian_width(char) in "WF" for char in text)


def _quoted(text: str, n: int) -> str:
    return "> " + text.replace("\n", "\n> ") + f" [{n}]\n\n"


def _quoted_block(text: str, n: int) -> str:
    """Quote the first lines of a passage without prose, such as code or a table, unchanged."""
    lines = text[:_BLOCK_CHARS].strip("\n").split("\n")[:_BLOCK_LINES]
    longest = max((len(ticks) for ticks in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return "".join(f"> {line}\n" for line in [fence, *lines, fence]) + f">\n> [{n}]\n\n"
