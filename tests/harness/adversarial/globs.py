"""Adversarial glob patterns: for each name a hundred patterns, and a path of any length that none of them matches."""

from tests.harness.adversarial.shapes import Shape, drawn, repeated

_WORDS = "".join(chr(character) for character in range(0x4E00, 0x4E00 + 500))


def _stars(unit: str, count: int, end: str) -> list[str]:
    """Make patterns of a unit that differ at their end."""
    return [f"{unit * count}{n}{end}" for n in range(100)]


GLOBS: dict[str, tuple[list[str], Shape]] = {
    "stars": (_stars("*a", 40, "b"), repeated("a")),
    "stars in folders": ([f"**/{pattern}" for pattern in _stars("*a", 40, "b")], repeated("a")),
    "stars with letters": ([f"**/*{'a' * n}b" for n in range(100)], repeated("a")),
    "stars in segments": (_stars("*a*/", 20, "b"), repeated("aaa/")),
    "stars of long words": (_stars("*" + "a" * 45, 2, "b"), repeated("a")),
    "stars and question marks": (_stars("*?", 40, "b"), drawn("abcdefgh")),
    "question marks": (_stars("?", 90, "b"), drawn("abcdefgh")),
    "question marks after a star": ([f"*{'?' * n}b" for n in range(100)], drawn("acdefgh")),
    "folders": (_stars("**/", 30, "b"), repeated("a/")),
    "folders and letters": (_stars("**/a/", 18, "b"), repeated("a/")),
    "folders and stars": (_stars("**/*/", 18, "b"), repeated("a/")),
    "folders and stars with letters": (_stars("**/*a*/", 12, "b"), repeated("aaa/")),
    "folders and question marks": (_stars("**/?/", 18, "b"), repeated("a/")),
    "folders of two letters": (_stars("**/a/**/b/", 9, "c"), drawn("ab/")),
    "double stars in a segment": (_stars("a**", 30, "b"), repeated("a")),
    "folders at the end": ([f"**/a{n}b/**" for n in range(100)], repeated("a/")),
    "letters": (_stars("a", 90, "b"), repeated("a")),
    "letters and slashes": (_stars("a/", 45, "b"), repeated("a/")),
    "beginnings": ([f"{'a' * n}b*" for n in range(100)], repeated("a")),
    "ends": ([f"*b{'a' * n}b" for n in range(100)], repeated("a")),
    "middles": ([f"*b{'a' * n}b*" for n in range(100)], repeated("a")),
    "empty segments": (_stars("*/", 40, "b"), repeated("/")),
    "path of slashes": (_stars("**/", 20, "b"), repeated("/")),
    "path of one segment": (_stars("**/a", 20, "b"), repeated("a")),
    "path of short segments": (_stars("*a", 40, "b"), repeated("a/")),
    "path of lines": (_stars("*a", 40, "b"), repeated("a\n")),
    "path of many letters": (_stars("*a", 40, "b"), drawn("abcdefghijklmnopqrstuvwxyz0")),
    "path of many ideographs": (_stars("*?", 40, "b"), drawn(_WORDS)),
    "path of letters and slashes": (_stars("**/*a*", 15, "b"), drawn("ab/")),
    "path of stars": (_stars("*a", 40, "b"), repeated("*")),
    "sets": ([f"**/*{'[a-z]' * 1}{n}b" if n < 50 else f"**/*{n}b" for n in range(100)], drawn("abcdefgh")),
    "negated sets": ([f"**/*{'[!a-z]' * 1}{n}b" if n < 50 else f"*{n}b" for n in range(100)], drawn("abcdefgh")),
    "sets of ideographs": ([f"*[一-龥]*{n}b" if n < 50 else f"*{n}b" for n in range(100)], drawn(_WORDS)),
    "sets of many letters": (
        [f"*[abcdefghijklmnopqrstuvwxyz]*{n}b" if n < 50 else f"*{n}b" for n in range(100)],
        drawn("abc"),
    ),
    "escapes": (_stars("*\\a", 30, "b"), repeated("a")),
    "escaped stars": (_stars("*\\*", 30, "b"), repeated("*")),
    "accents": (_stars("*e\u0301", 30, "b"), repeated("e\u0301")),
    "ideographs": (_stars("*漢", 40, "b"), repeated("漢")),
    "growing stars": (["*a" * n + "b" for n in range(100)], repeated("a")),
    "growing folders": (["**/a/" * (n % 40) + "b" for n in range(100)], repeated("a/")),
    "prefixes of one word": ([("abc" * 40)[:n] + "*d" for n in range(100)], repeated("abc")),
}
