"""Compare the cited sentences of an answer with the passages that they cite. Weak ones are marked, not removed."""

import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from functions.chat.answers.sentences import sentences
from functions.chat.answers.understanding.cues import likely_languages
from functions.chat.retrieval.search import Passage
from functions.chat.retrieval.support import Statement, Support, Text
from functions.chat.streams.ui_message_stream import Grounding, GroundingPart, Part, WeakCitation, WeakReason
from functions.chat.web.ranking import Evidence
from headwater import logs
from headwater.errors import HeadwaterError

MAX_SENTENCES = 200
"""Cited sentences of an answer that are compared, at most."""

_CITATION = re.compile(r"\[([0-9]{1,3})\]")
_LEADING = re.compile(r"(?:\[[0-9]{1,3}\]\s*)+")
_CLAUSE_END = re.compile(
    r"[,;:()\u2013\u2014]|\b(?:and|but|or|und|aber|oder|et|mais|ou|y|pero|o|e|ma|mas|en|maar)\b", re.IGNORECASE
)
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)?")
_NEGATION = re.compile(
    r"(?:not|no|never|none|nothing|neither|nor|without|cannot|.*n['\u2019]t|nicht|kein\w{0,2}|nie|niemals|ohne|nichts"
    r"|ne|n['\u2019].+|pas|jamais|sans|aucune?|rien|nunca|sin|ning\w+|nada|non|mai|senza|nessun\w?|niente|n\u00e3o|sem|nenhuma?"
    r"|niet|geen|nooit|zonder|niets)\Z"
)
"""Words that negate, in English, German, French, Spanish, Italian, Portuguese and Dutch."""

_AUXILIARIES = frozenset({"do", "doe", "did"})
"""Stems of the words that stand beside "not" alone."""

SAME_WORDS = 0.7
"""Share of the words of two statements that both have, from which one repeats the other."""

STEM_CHARS = 5
"""Beginning of a word that is compared, without "s" at its end, so that "runs" is "run"."""

_NUMBER = re.compile(r"\d[\d.,'\u2019\u00a0\u202f]*\d|\d")


class Claim(NamedTuple):
    """What a sentence or a clause says: the stems of its words without negations, and whether there is a negation."""

    stems: frozenset[str]
    is_negated: bool
    is_clause: bool = False


class CitedSentence(NamedTuple):
    """A sentence of an answer with the numbers of the passages that it cites. `text` is without the citations."""

    start: int
    end: int
    text: str
    sources: Sequence[int]


def check_grounding(answer: str, passages: Sequence[Evidence], support: Support, workspace_id: uuid.UUID) -> list[Part]:
    """Return the part that marks weak citations, if there are any.

    A sentence is weak if none of its passages has its words or its meaning, or a number that it states, or if they only
    say the opposite in its words. An answer in another language than the passages is checked for numbers only. A
    failure is logged: the answer stays as it is.
    """
    cited = list(cited_sentences(answer, len(passages)))[:MAX_SENTENCES]
    if not cited:
        return []
    texts = {n: _text(passage) for n, passage in enumerate(passages, start=1)}
    statements = [Statement(one.text, [texts[n] for n in one.sources]) for one in cited]
    is_translated = set(likely_languages(answer)).isdisjoint(
        likely_languages("\n".join(text.text for text in texts.values()))
    )
    try:
        supported = [True] * len(cited) if is_translated else support(workspace_id, statements)
    except HeadwaterError as error:
        logs.event("grounding.failed", severity=30, error=error)
        return []
    claims = {n: claims_of(text.text) for n, text in texts.items()}
    weak = []
    for one, is_supported in zip(cited, supported, strict=True):
        if reason := _reason(one, texts, claims, is_supported=is_supported):
            weak.append(WeakCitation(one.start, one.end, [str(n) for n in one.sources], reason))
    return [GroundingPart(Grounding(weak))] if weak else []


def _reason(
    one: CitedSentence, texts: Mapping[int, Text], claims: Mapping[int, Sequence[Claim]], *, is_supported: bool
) -> WeakReason | None:
    if not is_supported:
        return "meaning"
    if missing_numbers(one, texts):
        return "numbers"
    return "negation" if is_denied(one.text, [claim for n in one.sources for claim in claims[n]]) else None


def is_denied(sentence: str, claims: Sequence[Claim]) -> bool:
    """Return True if claims repeat a sentence's words, and each of those is negated where it isn't, or the reverse.

    `is_denied("It runs on Windows.", claims_of("It does not run on Windows.")) is True`.
    """
    own = _claim(sentence)
    if len(own.stems) < 2:
        return False
    same = [claim for claim in claims if len(own.stems & claim.stems) >= SAME_WORDS * len(own.stems | claim.stems)]
    if any(claim.is_negated == own.is_negated for claim in same):
        return False
    # A clause without a negation may be part of a sentence with one: "It works, but not on Windows."
    return any(claim.is_negated or not claim.is_clause for claim in same)


def claims_of(text: str) -> list[Claim]:
    """Return the claims of a passage: its sentences and their clauses."""
    claims: list[Claim] = []
    for start, end in sentences(text):
        claims.append(_claim(text[start:end]))
        clauses = _CLAUSE_END.split(text[start:end])
        claims += [_claim(clause)._replace(is_clause=True) for clause in clauses if len(clauses) > 1]
    return claims


def _claim(text: str) -> Claim:
    words = [word.lower() for word in _WORD.findall(text)]
    stems = frozenset(word[:STEM_CHARS].rstrip("s") for word in words if not _NEGATION.match(word))
    return Claim(stems - _AUXILIARIES, any(_NEGATION.match(word) for word in words))


def cited_sentences(answer: str, passages: int) -> Iterator[CitedSentence]:
    """Yield the sentences of an answer that cite passages. Citations after a full stop belong to the sentence before.

    `cited_sentences("Use pip. [1] Wait.", 1)` yields "Use pip." with the source 1.
    """
    spans: list[tuple[int, int]] = []
    for start, end in sentences(answer):
        first = start
        if (leading := _LEADING.match(answer, start, end)) and spans and "\n" not in answer[spans[-1][1] : start]:
            spans[-1] = (spans[-1][0], start + len(leading[0].rstrip()))
            first = leading.end()
        if first < end:
            spans.append((first, end))
    for start, end in spans:
        sources = {int(n): None for n in _CITATION.findall(answer, start, end) if 0 < int(n) <= passages}
        text = " ".join(_CITATION.sub("", answer[start:end]).split())
        if sources and text:
            yield CitedSentence(start, end, text, [*sources])


def missing_numbers(sentence: CitedSentence, texts: Mapping[int, Text]) -> list[str]:
    """Return the numbers of two or more digits in a sentence that none of its passages has."""
    known = {number for n in sentence.sources for number in _numbers(texts[n].text)}
    return [number for number in _numbers(sentence.text) if len(number) > 1 and number not in known]


def _numbers(text: str) -> list[str]:
    """Return the numbers of a text without separators: `_numbers("1,024 of 8.5") == ["1024", "85"]`."""
    return [re.sub(r"\D", "", number) for number in _NUMBER.findall(text)]


def _text(passage: Evidence) -> Text:
    text = "\n".join((passage.title, *passage.heading_path, passage.text))
    return Text(text, passage.document_id if isinstance(passage, Passage) else None)
