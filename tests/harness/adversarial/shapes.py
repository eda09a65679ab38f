"""Shapes: functions that make a text of about a given number of characters, to build adversarial inputs of."""

import random
from collections.abc import Callable
from itertools import count

Shape = Callable[[int], str]


def repeated(unit: str, before: str = "", after: str = "") -> Shape:
    """Repeat a unit."""
    return lambda size: before + unit * (size // len(unit)) + after


def halves(first: str, second: str, before: str = "", after: str = "") -> Shape:
    """Repeat a unit in the first half of the text and another one in the second, as often."""
    pair = len(first) + len(second)
    return lambda size: before + first * (size // pair) + second * (size // pair) + after


def in_shares(*units: str) -> Shape:
    """Repeat several units one after the other, each for an equal share of the text."""
    return lambda size: "".join(unit * (size // len(units) // len(unit)) for unit in units)


def counted(unit: str, before: str = "") -> Shape:
    """Repeat a unit in which `{}` is a rising number."""
    return lambda size: before + _until(size, unit.format)


def growing(unit: str, separator: str, before: str = "", after: str = "") -> Shape:
    """Write runs of one, two, three … units."""
    return lambda size: before + _until(size, lambda n: unit * (n + 1) + separator) + after


def shrinking(unit: str, separator: str) -> Shape:
    """Write the runs of `growing` in reverse order."""
    return lambda size: growing(unit, separator)(size)[::-1]


def pyramid(unit: str, line: str, after: str = "") -> Shape:
    """Write lines, each with one more unit before it."""
    return lambda size: _until(size, lambda n: unit * n + line + "\n") + after


def followed_by(shape: Shape, unit: str) -> Shape:
    """Make half of the text by a shape, the other half of repetitions of a unit."""
    return lambda size: shape(size // 2) + unit * (size // 2 // len(unit))


def drawn(characters: str) -> Shape:
    """Draw characters, the same ones each time."""
    return lambda size: "".join(random.Random(size).choices(characters, k=size))


def wrapped(shape: Shape, before: str, after: str = "") -> Shape:
    """Write something before and after a shape."""
    return lambda size: before + shape(size) + after


def _until(size: int, line: Callable[[int], str]) -> str:
    lines: list[str] = []
    length = 0
    for n in count():
        if length >= size:
            break
        lines.append(line(n))
        length += len(lines[-1])
    return "".join(lines)
