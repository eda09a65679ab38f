"""Paths through a conversation's tree, and versions of its messages."""

import uuid
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from functions.chat.conversations.tree import MessageTree

Row = tuple[int, int | None]

PARENTS = st.lists(st.integers(0, 40), max_size=30).map(
    lambda parents: [(n, min(parent, n)) for n, parent in enumerate(parents)]
)
"""Rows of messages whose parents are older, or the message itself."""


def tree_of(rows: Sequence[Row]) -> MessageTree:
    return MessageTree((uuid.UUID(int=n), None if p is None else uuid.UUID(int=p), "user") for n, p in rows)


def path(tree: MessageTree, at: int | None) -> list[int]:
    return [id_.int for id_ in tree.path_through(None if at is None else uuid.UUID(int=at))]


# An edited question (4) beside the second question (2), and another answer (6) to it; 5 answers the edited one.
BRANCHED: list[Row] = [(0, 0), (1, 0), (2, 1), (3, 2), (4, 1), (5, 4), (6, 2)]


def test_path_leads_to_the_newest_message_below() -> None:
    tree = tree_of(BRANCHED)
    assert path(tree, None) == [0, 1, 2, 6]
    assert path(tree, 4) == [0, 1, 4, 5]
    assert path(tree, 3) == [0, 1, 2, 3]
    assert path(tree, 1) == path(tree, 2) == [0, 1, 2, 6]
    assert path(tree, 99) == path(tree, None)
    assert path(tree_of([]), None) == []


def test_versions_follow_the_same_message() -> None:
    tree = tree_of([*BRANCHED, (7, 7)])
    versions = [[id_.int for id_ in tree.versions(uuid.UUID(int=n))] for n, _ in [*BRANCHED, (7, 7)]]
    assert versions == [[0, 7], [1], [2, 4], [3, 6], [2, 4], [5], [3, 6], [0, 7]]
    assert tree.parent(uuid.UUID(int=7)) is None


def test_messages_without_a_parent_follow_the_one_before() -> None:
    assert path(tree_of([(0, None), (1, None), (2, None)]), None) == [0, 1, 2]
    assert path(tree_of([*BRANCHED, (7, None), (8, None)]), 3) == [0, 1, 2, 3]
    assert path(tree_of([*BRANCHED, (7, None), (8, None)]), 2) == [0, 1, 2, 6, 7, 8]


@given(PARENTS)
def test_path_through_a_message_contains_it_and_ends_at_the_newest_below(rows: list[Row]) -> None:
    tree = tree_of(rows)
    for n, _ in rows:
        way = path(tree, n)
        before = [id_.int for id_ in tree.path_to(uuid.UUID(int=n))]
        assert way[: len(before)] == before
        assert before[-1] == n
        assert way == sorted(way)
        below = [m for m, _ in rows if n in [id_.int for id_ in tree.path_to(uuid.UUID(int=m))]]
        assert way[-1] == max(below)


@given(PARENTS)
def test_each_message_is_reached_through_versions_of_paths(rows: list[Row]) -> None:
    tree = tree_of(rows)
    seen: set[int] = set()
    waiting = set(path(tree, None))
    while waiting:
        way = path(tree, waiting.pop())
        seen.update(way)
        waiting |= {version.int for n in way for version in tree.versions(uuid.UUID(int=n))} - seen
    assert seen == {n for n, _ in rows}
