"""Compare the cited sentences of an answer with the passages that they cite. Weak ones are marked, not removed."""

import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from functions.chat.answers.sentences import sentences
from functions.chat.retrieval.search import Passage
from functions.chat.retrieval.support import Statement, Support, Text
from functions.chat.streams.ui_message_stream import Grounding, GroundingPart, Part, WeakCitation
from functions.chat.web.ranking import Evidence
from headwater import logs
from headwater.errors import HeadwaterError

MAX_SENTENCES = 200
"""Cited sentences of an answer that are compared, at most."""

_CITATION = re.compile(r"\[([0-9]{1,3})\]")
_LEADING = re.compile(r"(?:\[[0-9]{1,3}\]\s*)+")
_NUMBER = re.compile(r"\d[\d.,'\u2019\u00a0\u202f]*\d|\d")


class CitedSentence(NamedTuple):
    """A sentence of an answer with the numbers of the passages that it cites. `text` is without the citations."""

    start: int
    end: int
    text: str
    sources: Sequence[int]


def check_grounding(answer: str, passages: Sequence[Evidence], support: Support, workspace_id: uuid.UUID) -> list[Part]:
    """Return the part that marks weak citations, if there are any.

    A sentence is weak if none of its passages has its words or its meaning, or a number that it states. A failure is
    logged: the answer stays as it is.
    """
    cited = list(cited_sentences(answer, len(passages)))[:MAX_SENTENCES]
    texts = {n: _text(passage) for n, passage in enumerate(passages, start=1)}
    statements = [Statement(one.text, [texts[n] for n in one.sources]) for one in cited]
    try:
        supported = support(workspace_id, statements) if statements else []
    except HeadwaterError as error:
        logs.event("grounding.failed", severity=30, error=error)
        return []
    weak = [
        WeakCitation(one.start, one.end, [str(n) for n in one.sources], "meaning" if not is_supported else "numbers")
        for one, is_supported in zip(cited, supported, strict=True)
        if not is_supported or missing_numbers(one, texts)
    ]
    return [GroundingPart(Grounding(weak))] if weak else []


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
