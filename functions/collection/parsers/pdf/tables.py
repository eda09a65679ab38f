"""Find tables by their rulings: horizontal and vertical lines that form a grid. Pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from operator import itemgetter

import msgspec

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""

MAX_RULINGS = 5_000
MAX_CELLS = 5_000

_NEAR = 4.0
"""Distance, in points, of lines that meet or are one."""
_MAX_CELL_CHARS = 1_500
"""Longer texts are in frames, not in the cells of tables."""


class Grid(msgspec.Struct, gc=False):
    """The places of a table's rows and columns, with those of its ends.

    `firsts` has for each column of each row the first column of its cell: a cell may span several.
    """

    tops: list[float]
    lefts: list[float]
    firsts: list[list[int]]

    @property
    def box(self) -> Box:
        """The whole table's place."""
        return self.lefts[0], self.tops[0], self.lefts[-1], self.tops[-1]

    def find(self, x: float, y: float) -> tuple[int, int]:
        """Return the row and column of the cell that a point is in, or is nearest to."""
        row = min(max(bisect_right(self.tops, y) - 1, 0), len(self.firsts) - 1)
        column = min(max(bisect_right(self.lefts, x) - 1, 0), len(self.lefts) - 2)
        return row, self.firsts[row][column]


def find_grids(rulings: Sequence[Box]) -> Iterator[Grid]:
    """Yield the grids of at least two rows and two columns."""
    if not 4 <= len(rulings) <= MAX_RULINGS:
        return
    across = _merge([(box[1] + box[3]) / 2, box[0], box[2]] for box in rulings if box[2] - box[0] >= box[3] - box[1])
    down = _merge([(box[0] + box[2]) / 2, box[1], box[3]] for box in rulings if box[2] - box[0] < box[3] - box[1])
    for group_across, group_down in _connected(across, down):
        tops = _places(group_across)
        lefts = _places([*group_down, *([end, 0, 0] for _, *ends in group_across for end in ends)])
        if len(tops) >= 3 and len(lefts) >= 3 and len(tops) * len(lefts) <= MAX_CELLS:
            firsts = [_first_columns((top + bottom) / 2, lefts, group_down) for top, bottom in pairwise(tops)]
            yield Grid(tops, lefts, firsts)


def is_table(rows: Sequence[Sequence[str]]) -> bool:
    """Return True if the texts of a grid are those of a table, not of a page's frames or a drawing."""
    texts = [text for row in rows for text in row if text.strip()]
    filled_rows = [row for row in rows if sum(1 for text in row if text.strip()) >= 2]
    return len(filled_rows) >= 2 and max(map(len, texts)) <= _MAX_CELL_CHARS


def _merge(lines: Iterable[list[float]]) -> list[list[float]]:
    """Join lines at the same place, given as place, start and end, that touch or overlap."""
    merged: list[list[float]] = []
    group: list[list[float]] = []
    for line in [*sorted(lines), [float("inf"), 0.0, 0.0]]:
        if group and line[0] - group[0][0] > _NEAR / 2:
            first = len(merged)
            for place, start, end in sorted(group, key=itemgetter(1)):
                if len(merged) > first and start <= merged[-1][2] + _NEAR:
                    merged[-1][2] = max(end, merged[-1][2])
                else:
                    merged.append([place, start, end])
            group = []
        group.append(line)
    return merged


def _connected(
    across: list[list[float]], down: list[list[float]]
) -> Iterator[tuple[list[list[float]], list[list[float]]]]:
    """Yield groups of lines that meet."""
    groups: list[tuple[list[list[float]], list[list[float]]]] = []
    owner: dict[int, int] = {}
    by_place = sorted(range(len(down)), key=lambda index: down[index][0])
    places = [down[index][0] for index in by_place]
    for line in across:
        y, left, right = line
        met = set()
        for at in range(bisect_left(places, left - _NEAR), bisect_left(places, right + _NEAR)):
            index = by_place[at]
            if down[index][1] - _NEAR <= y <= down[index][2] + _NEAR:
                met.add(index)
        if not met:
            continue
        joined = sorted({owner[index] for index in met if index in owner})
        group = joined[0] if joined else len(groups)
        if not joined:
            groups.append(([], []))
        for other in joined[1:]:
            groups[group][0].extend(groups[other][0])
            groups[group][1].extend(groups[other][1])
            groups[other] = ([], [])
            owner.update({index: group for index, of in owner.items() if of == other})
        groups[group][0].append(line)
        for index in met - owner.keys():
            groups[group][1].append(down[index])
            owner[index] = group
    yield from (group for group in groups if group[0])


def _places(lines: Sequence[Sequence[float]]) -> list[float]:
    """Return the distinct places of lines, in order."""
    distinct: list[float] = []
    for place in sorted(line[0] for line in lines):
        if not distinct or place - distinct[-1] > _NEAR:
            distinct.append(place)
    return distinct


def _first_columns(middle: float, lefts: Sequence[float], down: Sequence[Sequence[float]]) -> list[int]:
    """Return for each column of a row the first one of its cell: where a line is at its left."""
    lines = [place for place, start, end in down if start - _NEAR <= middle <= end + _NEAR]
    firsts = [0]
    for column, left in enumerate(lefts[1:-1], start=1):
        firsts.append(column if any(abs(left - place) <= _NEAR for place in lines) else firsts[-1])
    return firsts
