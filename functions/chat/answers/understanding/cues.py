"""Understand a message without a language model, by cues in the languages of `cues.toml`. Pure.

Small talk is looked for in all languages, because all words of such a message must be known. Words that refer to
earlier messages are looked for only in the languages that the conversation is likely to be in: those with most stop
words in its questions. In another language, such a word may mean something else: the German "die" is not a Dutch one.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Literal

from functions.chat.common_words import common_words
from headwater.words.analysis import EMOJI, FLAG_LETTERS, find_emoji, names

MAX_FOLLOW_UP_WORDS = 12
MAX_FOLLOW_UP_CHARS = 40
"""Of a text without spaces, such as Chinese."""

MAX_TALK_CHARS = 120

MAX_LANGUAGE_CHARS = 4_000
"""Of a text whose language is told."""

_MODIFIERS = r"\u200d\ufe0f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f"
"""Joiners, variation selectors, skin tones, and the letters of flags such as England's."""

_EMOJI = rf"{EMOJI}{FLAG_LETTERS}{_MODIFIERS}"
_GAPS = rf"[\s,.;:!?…\-\u2013\u2014¡¿'\"()\u3000-\u303f\uff00-\uff20\u061f\u060c{_EMOJI}]"
"""Spaces, punctuation and emoji."""

_LETTER = r"[\w\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0900-\u0963]"
"""Letters, digits and marks that belong to letters. `\\b` sees an end of a word before the vowel signs of Hindi."""

_WITHOUT_SPACES = "[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
"""Compiled when it is first used: that takes 2 ms, which a cold start would wait for."""


_SCRIPTS = {"ko": "[\uac00-\ud7af]", "ja": "[\u3040-\u30ff]", "zh": "[\u3400-\u9fff]"}
"""Characters that are a third of a text in the language. Japanese has Chinese ones, too."""

_Kind = Literal["talk", "asks"]


def is_small_talk(message: str) -> bool:
    """Return True for a message of small talk only, such as "Hello!", "Danke, sehr gut" or a thumbs-up."""
    return len(message) <= MAX_TALK_CHARS and (_is_emoji(message) or _is_only("talk", message))


def is_about_the_answer(message: str) -> bool:
    """Return True for a wish or question about the answers given so far: "Shorter, please", "Translate it into French".

    All of its words must be known: "Explain row-level security" is a question for the documents.
    """
    return len(message) <= MAX_TALK_CHARS and _is_only("asks", message)


def is_follow_up(question: str, before: str = "") -> bool:
    """Return True if a question is short and refers to what was said: "And on Windows?", "Why is that?".

    `before`: the question before it, whose language counts too.
    """
    text = question.strip()
    if len(text.split()) > MAX_FOLLOW_UP_WORDS:
        return False
    if re.search(_WITHOUT_SPACES, text) and len(text) > MAX_FOLLOW_UP_CHARS:
        return False
    return any(_follow_up(code).search(text) for code in likely_languages(f"{before} {text}"))


def likely_languages(text: str) -> list[str]:
    """Return the codes of the languages of which a text has most stop words; all languages if it has none.

    Chinese, Japanese and Korean are told by their characters. `likely_languages("Und unter Windows?") == ["de"]`.
    """
    text = text[:MAX_LANGUAGE_CHARS]
    for code, characters in _SCRIPTS.items():
        if len(re.findall(characters, text)) > len(text) / 3:
            return [code]
    words = names(text.lower())
    counts = {code: sum(word in stop_words for word in words) for code, stop_words in _stop_words().items()}
    most = max(counts.values())
    return [code for code, count in counts.items() if count == most]


@cache
def _stop_words() -> dict[str, frozenset[str]]:
    return {code: common_words((code,)) for code in _cues()}


@cache
def _cues() -> dict[str, dict[str, str]]:
    import tomllib

    return tomllib.loads(Path(__file__).with_name("cues.toml").read_text(encoding="utf-8"))


def _edges(code: str) -> tuple[str, str]:
    """Return what stands before and after a word of a language."""
    return ("", "") if code in ("zh", "ja") else (f"(?<!{_LETTER})", f"(?!{_LETTER})")


def _is_emoji(message: str) -> bool:
    return bool(find_emoji(message)) and not re.sub(_GAPS, "", message)


def _is_only(kind: _Kind, message: str) -> bool:
    """Return True if a message has phrases of a kind, and nothing else but words that may stand beside them."""
    return any(_phrase(kind, code).search(message) and whole_message(kind, code).fullmatch(message) for code in _cues())


@cache
def _phrase(kind: _Kind, code: str) -> re.Pattern[str]:
    return re.compile(_cues()[code][kind], re.IGNORECASE | re.DOTALL)


@cache
def whole_message(kind: _Kind, code: str) -> re.Pattern[str]:
    """Return the pattern of whole messages of a kind. Compiling it takes 1 ms, so `_phrase` is looked for before."""
    words = _cues()[code]
    return _only(words[kind], words["fill"], *_edges(code))


@cache
def _follow_up(code: str) -> re.Pattern[str]:
    return re.compile("|".join(_follow_ups(_cues()[code], *_edges(code))), re.IGNORECASE)


def _only(needed: str, others: str, start: str, end: str) -> re.Pattern[str]:
    """Return a pattern for messages that have a needed phrase, other phrases and gaps, and nothing else.

    Groups are atomic, so that a message is read once, in linear time.
    """
    gap = f"(?:{_GAPS}*+)"
    phrase = f"(?>(?:{_longest_first(needed, others)}){end}{gap})"
    return re.compile(f"(?={gap}(?:.*?){start}(?:{needed}){end}){gap}{phrase}++", re.IGNORECASE | re.DOTALL)


def _longest_first(*groups: str) -> str:
    """Join alternatives so that a phrase comes before the words that it begins with."""
    return "|".join(sorted((part for group in groups for part in _split(group)), key=len, reverse=True))


def _split(alternatives: str) -> list[str]:
    """Split alternatives at the bars outside of groups."""
    parts, depth, start = [], 0, 0
    for at, char in enumerate(alternatives):
        depth += (char == "(") - (char == ")")
        if char == "|" and depth == 0:
            parts.append(alternatives[start:at])
            start = at + 1
    return [*parts, alternatives[start:]]


def _follow_ups(words: dict[str, str], start: str, end: str) -> Iterator[str]:
    yield f"{start}(?:{words['refers']}){end}"
    yield rf"^\W*(?:{words['opens']}){end}"
    yield rf"^\W*(?:{words['alone']})\W*$"
    if "short" in words:
        yield rf"^(?:{words['short']})(?:\s+\S+){{1,3}}$"
