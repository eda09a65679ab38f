"""The extractive model: a question and passages flow in, the sentences that fit best flow out, word for word. Pure.

It answers when no language model is configured: nothing is paraphrased, each quotation is a span of a passage and is
followed by its citation. Called by `models`; `search` has chosen the passages.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from math import log

import msgspec

from functions.chat.answers.citations import CitationFilter
from functions.chat.answers.prompt import Asked
from functions.chat.answers.sentences import sentences
from functions.chat.retrieval.search import Passage

MAX_QUOTES = 5
MAX_QUOTES_OF_ONE = 3
MIN_SHARE_OF_BEST = 0.25
LONG_WORDS = 40
_MIN_CHARS, _MAX_CHARS = 20, 600
_MIN_LETTERS = 0.7  # code whose fence is in another chunk has fewer
_SAYS_NOTHING = re.compile(r"\[[^\]]*\]\([^)]*\)\.?|.*:", re.DOTALL)  # a link alone; what announces something else
_BLOCK_LINES, _BLOCK_CHARS = 12, 600

INTRODUCTION = "No language model is configured (`CHAT_MODEL`), so this is what the documents themselves say:\n\n"


class Quote(msgspec.Struct, frozen=True):
    """A span of passage `n` (from 1): `passages[n - 1].text[start:end]`, and how well it fits."""

    n: int
    start: int
    end: int
    score: float


class Extractive:
    """A chat model that quotes."""

    name = "extractive"
    configured = False

    def answer(self, asked: Asked) -> Iterator[str]:
        """Yield an introduction, then each quotation with its citation, in Markdown."""
        yield INTRODUCTION
        quotes = choose(asked.query, asked.passages)
        for quote in quotes:
            text = asked.passages[quote.n - 1].text[quote.start : quote.end]
            yield _quoted(text, quote.n)
        if not quotes:
            yield _quoted_block(asked.passages[0].text, 1)


def choose(question: str, passages: Sequence[Passage]) -> list[Quote]:
    """Choose at most five sentences: the best one's passage first, and within a passage in their order.

    score = c · p · min(1, 40 / words), where

    - c = Σ idf(t) · w(t) / Σ idf(t) over the question's terms t that occur at all; w(t) = 1 if the sentence holds t,
      ½ if only the passage's title or headings do, else 0; idf(t) = ln(1 + N / n(t)), with t in n(t) of N sentences;
    - p = the passage's own score / the best passage's score.

    Kept is what reaches a quarter of the best score, three sentences of a passage at most. When no sentence holds a
    word of the question (passages can be found by their sense alone), the first passages give their first sentences.

    Worked example: the question "install headwater", one passage with "Install it with pip on any system." and "It
    needs Python 3.11 or newer, nothing else.". N = 2, only `install` occurs: c = 1 and 0, the first alone is quoted.
    """
    quotes = [
        Quote(n, start, end, 0.0)
        for n, passage in enumerate(passages, start=1)
        for start, end in sentences(passage.text)
        if _can_be_quoted(passage.text[start:end])
    ]
    quotes = _without_repeats(quotes, passages)
    scored = _score(terms(question), quotes, passages)
    best = max((quote.score for quote in scored), default=0.0)
    if best == 0.0:
        return list({quote.n: quote for quote in reversed(quotes)}.values())[::-1][:MAX_QUOTES_OF_ONE]
    chosen: list[Quote] = []
    for quote in sorted(scored, key=lambda quote: (-quote.score, quote.n, quote.start)):
        of_same = sum(other.n == quote.n for other in chosen)
        if quote.score >= MIN_SHARE_OF_BEST * best and of_same < MAX_QUOTES_OF_ONE and len(chosen) < MAX_QUOTES:
            chosen.append(quote)
    order = {n: place for place, n in enumerate(dict.fromkeys(quote.n for quote in chosen))}
    return sorted(chosen, key=lambda quote: (order[quote.n], quote.start))


def _score(question: set[str], quotes: Sequence[Quote], passages: Sequence[Passage]) -> list[Quote]:
    words = [_words(passages[quote.n - 1].text[quote.start : quote.end]) for quote in quotes]
    held = [question & {_stem(word) for word in of_quote} for of_quote in words]
    above = [question & terms(" ".join([passage.title, *passage.heading_path])) for passage in passages]
    counts = Counter(term for terms_of_quote in held for term in terms_of_quote)
    idf = {term: log(1 + len(quotes) / count) for term, count in counts.items()}
    total, best = sum(idf.values()) or 1.0, max((passage.score for passage in passages), default=1.0)
    scored = []
    for quote, of_quote, own in zip(quotes, words, held, strict=True):
        weight = sum(idf[term] for term in own) + sum(idf.get(term, 0.0) / 2 for term in above[quote.n - 1] - own)
        length = min(1.0, LONG_WORDS / max(1, len(of_quote)))
        score = weight / total * passages[quote.n - 1].score / best * length
        scored.append(Quote(quote.n, quote.start, quote.end, score))
    return scored


def _without_repeats(quotes: Iterable[Quote], passages: Sequence[Passage]) -> list[Quote]:
    """Keep the first of sentences that say the same word for word, as boilerplate and overlapping chunks do."""
    first: dict[str, Quote] = {}
    for quote in quotes:
        first.setdefault(" ".join(passages[quote.n - 1].text[quote.start : quote.end].split()), quote)
    return list(first.values())


def _can_be_quoted(text: str) -> bool:
    """Tell whether a span says something by itself, with its code closed and nothing in it that reads as a citation."""
    if not _MIN_CHARS <= len(text) <= _MAX_CHARS or _SAYS_NOTHING.fullmatch(text):
        return False
    if sum(char.isalpha() or char.isspace() for char in text) < _MIN_LETTERS * len(text):
        return False
    citations = CitationFilter(())
    return citations.feed(f"{text} [0]") + citations.finish() == text


def terms(text: str) -> set[str]:
    """Find what a text's words come down to: no stop words (unless there is nothing else), plurals and endings cut."""
    words = _words(text)
    return {_stem(word) for word in words if word not in _STOP_WORDS} or {_stem(word) for word in words}


def _words(text: str) -> list[str]:
    """Split into words and numbers, so that WSL2 is WSL 2; single letters and digits say too little."""
    return [word for word in re.findall(r"[^\W\d_]+|\d+", text.lower()) if len(word) > 1 or not word.isascii()]


def _stem(word: str) -> str:
    """Cut a plural's s, then all after the sixth letter, so that install, installs and installation are one."""
    if word.endswith("ies") and len(word) > 4:
        word = word[:-3] + "y"
    elif word.endswith(("sses", "xes", "zes", "ches", "shes")):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
        word = word[:-1]
    return word[:6]


_STOP_WORDS = frozenset(
    re.findall(
        "[a-z]+",
        """
        a about after all also am an and any are as at be because been before being between both but by can could did do
        does doing don each else for from get give had has have having he her here him his how if in into is it its just
        know let like may me might more most much must my no not of off on one only or other our out over please same
        she should so some such tell than that the their them then there these they this those through to too under up
        us use used using very want was way we were what when where which while who whom why will with would you your
        """,
    )
)


def _quoted(text: str, n: int) -> str:
    return "> " + text.replace("\n", "\n> ") + f" [{n}]\n\n"


def _quoted_block(text: str, n: int) -> str:
    """Quote the first lines of a passage that has no prose, such as code or a table, as they stand."""
    lines = text[:_BLOCK_CHARS].strip("\n").split("\n")[:_BLOCK_LINES]
    longest = max((len(ticks) for ticks in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return "".join(f"> {line}\n" for line in [fence, *lines, fence]) + f">\n> [{n}]\n\n"
