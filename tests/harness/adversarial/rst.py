"""Adversarial reStructuredText."""

from collections.abc import Iterator

from tests.harness.adversarial.shapes import Shape, counted, growing, halves, pyramid, repeated

_TOKENS = (
    *("*a", "**a", "`a", "``a", "`a`_", "`a`__", "`a <b>`_", "a_", "a__", "|a|", "|a", "|a|_", "[a]_", "[#]_", "[*]_"),
    *("[1]_", "_`a", "_`a`", ":a:`b`", ":a:`b", "`a`:b:", "https://a", "a@b.c", "\\", "(a", "<a", "'a", "-a", "--a  b"),
    *("* a", "1. a", "(a) a", "#. a", "a)", ":a: b", "a\n  b", "a : b\n  c", "| a", ">>> a", "a::\n\n  b", "::"),
    *(".. a", ".. a::", ".. _a:", ".. _a: b", ".. __: a", "__ a", ".. |a| replace:: b", ".. [a] b", ".. [#] b"),
    *(".. image:: a", ".. figure:: a", ".. code:: a", ".. table:: a", ".. csv-table:: a", ".. list-table:: a"),
    *(".. contents::", ".. sectnum::", ".. class:: a", ".. role:: a", ".. note::", ".. math:: a", ".. header:: a"),
    *(".. parsed-literal::", ".. topic:: a", ".. meta::", ".. target-notes::", ".. unicode:: a", ".. sidebar:: a"),
    *("a\n=", "=\na\n=", "=", "=== ===", "+--+", "|  |", "+--+--+", "+==+", "----", "~a", "a", "é", "\t"),
)


def _shapes() -> Iterator[tuple[str, Shape]]:
    for token, other in zip(_TOKENS, [*_TOKENS[1:], _TOKENS[0]], strict=True):
        yield f"{token!r}", repeated(token)
        yield f"{token!r} and spaces", repeated(f"{token} ")
        yield f"{token!r} on lines", repeated(f"{token}\n")
        yield f"{token!r} in paragraphs", repeated(f"{token}\n\n")
        yield f"growing {token!r}", growing(token, "\n")
        yield f"lines of {token!r} and {other!r}", repeated(f"{token}\n{other}\n")
        yield f"{token!r}, then {other!r}", halves(token, other)
        yield f"numbered {token!r}", counted(f"{token.replace('a', 'a{0}')}\n\n")
        yield f"pyramid of {token!r}", pyramid(" ", token)


RST: dict[str, Shape] = dict(_shapes())
"""Files by what is adversarial about them."""
