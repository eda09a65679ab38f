"""Adversarial texts for counting words: names, scripts, marks and signs in every combination."""

from tests.harness.adversarial.shapes import Shape, counted, growing, repeated

_LETTERS = {
    "letters": "a",
    "capitals": "A",
    "camel case": "aB",
    "digits": "1",
    "underscores": "_",
    "Chinese characters": "漢",
    "two scripts": "漢a",
    "Thai letters with vowels": "สวั",
    "Hindi letters with vowels": "हिं",
    "accents": "e\u0301\u0302",
    "marks without a letter": "\u0301",
    "ligatures that become words": "\ufdfa",
}
_JOINED_BY = {"": "", " and hyphens": "-", " and colons": "::", " and arrows": "->", " and hidden signs": "\u200b"}

TEXTS: dict[str, Shape] = {
    f"{name}{how}": repeated(letters + sign) for name, letters in _LETTERS.items() for how, sign in _JOINED_BY.items()
} | {
    "numbered words": counted("word{} "),
    "numbered names": counted("a{0}::b{0}.c{0} "),
    "growing names": growing("a-", " "),
    "plus signs": repeated("a++"),
    "number signs": repeated("a#"),
    "dots": repeated("."),
    "invisible signs": repeated("\u200b"),
}
