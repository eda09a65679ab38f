"""Adversarial front matter, without the lines around it."""

from itertools import pairwise

from tests.harness.adversarial.shapes import Shape, counted, drawn, followed_by, growing, halves, pyramid, repeated

_NAMES = "abcdefgh"
LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in pairwise(_NAMES)
)
"""687 bytes or so; each line nine times as large as the one before."""

MERGES = "a: &a {x: 1}\n" + "".join(
    f"{name}: &{name}\n" + "".join(f"  k{n}: {{<<: *{before}}}\n" for n in range(9))
    for before, name in pairwise(_NAMES)
)
"""The same by merge keys."""

MERGED_LISTS = "a: &a {k0: 1}\n" + "".join(
    f"{name}: &{name} {{<<: [{', '.join([f'*{before}'] * 40)}], k{name}: 1}}\n" for before, name in pairwise(_NAMES)
)
"""Merge keys of lists that repeat one mapping, which PyYAML expands 40-fold for each line."""

FRONT_MATTER: dict[str, Shape] = {
    "keys": counted("key{}: value\n"),
    "one key": repeated("key: value\n"),
    "numbers": counted("key{0}: {0}\n"),
    "dates": counted("key{}: 2025-03-14T10:00:00Z\n"),
    "sexagesimal number": repeated(":1", "a: 1"),
    "sexagesimal numbers": counted("key{}: 1:20:30:40:50:1:20:30:40:50:1:20:30:40:50:1:20:30.5\n"),
    "tagged sexagesimal number": repeated(":1", "a: !!int 1"),
    "tagged fraction": repeated(":1", "a: !!float 1", ".5"),
    "digits": repeated("9", "a: "),
    "hexadecimal digits": repeated("f", "a: 0x"),
    "tagged digits": repeated("9", "a: !!int "),
    "underscores": repeated("_", "a: 1", "x"),
    "spaces in a date": repeated(" ", "a: 2025-03-14", "x"),
    "tagged date": repeated(" ", "a: !!timestamp 2025-03-14", "x"),
    "word": repeated("x", "a: "),
    "words": repeated("x ", "a: "),
    "plain lines": repeated("b\n ", "a: "),
    "folded lines": repeated(" b\n", "a: >\n"),
    "folded blank lines": repeated("\n", "a: >\n", " b"),
    "literal lines": repeated(" b\n", "a: |\n"),
    "literal with spaces": repeated(" ", "a: |\n", "b"),
    "literal with growing lines": growing(" ", "\n", "a: |\n"),
    "escapes": repeated("\\x41", 'a: "', '"'),
    "control characters": repeated("\\x01", 'a: "', '"'),
    "quoted lines": repeated("b\n ", 'a: "', '"'),
    "unclosed quote": repeated("b ", 'a: "'),
    "single quotes": repeated("''", "a: '", "'"),
    "binary": repeated("aGk=", "a: !!binary "),
    "anchors": counted("key{0}: &a{0} x\n"),
    "aliases": repeated("- *a\n", "a: &a x\nb:\n"),
    "merge keys": repeated("- {<<: *a}\n", "a: &a {x: y}\nb:\n"),
    "merge keys of a large mapping": followed_by(counted("  k{}: 1\n", "a: &a\n"), "b: {<<: *a}\n"),
    "merged lists": repeated("*a, ", "a: &a {x: y}\nb: {<<: [", "]}"),
    "merge keys in one mapping": repeated("<<: {x: y}, ", "a: {", "}"),
    "brackets": repeated("[", "a: "),
    "brackets paired": halves("[", "]", "a: "),
    "brackets on lines": repeated("[\n", "a: "),
    "braces": repeated("{a: ", "a: "),
    "dashes": repeated("- "),
    "question marks": repeated("? "),
    "question marks in braces": repeated("? a, ", "a: {", "}"),
    "colons": repeated(": "),
    "commas": repeated("a,", "a: [", "]"),
    "pairs": repeated("a: b, ", "a: [", "]"),
    "growing indents": pyramid(" ", "a:"),
    "items": repeated("- a\n", "a:\n"),
    "tags": repeated("- !!str a\n", "a:\n"),
    "long tag": repeated("b", "a: !", " c"),
    "escaped tag": repeated("%41", "a: !", " c"),
    "tag directives": counted("%TAG !a{}! tag:a\n"),
    "long anchor": repeated("b", "a: &", " c"),
    "comments": repeated("#\n", after="a: b"),
    "comment": repeated("#", after="\na: b"),
    "documents": repeated("--- a\n"),
    "blank lines": repeated("\n", after="a: b"),
    "random characters": drawn("ab:-[]{}&*!?|>'\"#%@`,. \n\t0"),
    "random lines": drawn("ab: - \n\n"),
}
