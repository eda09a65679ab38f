"""Pairing of keys that are gone with new ones, and the comparison of texts."""

import gc
import random
import time
from collections.abc import Callable

import pytest

from functions.collection.pipeline.moves import COMPARED_CHARS, Change, find_moves, is_alike

WORDS = [f"word{n}" for n in range(400)]


def changes(stored: dict[str, str], listed: dict[str, str]) -> list[Change]:
    """Return the differences between two versions: fingerprints by key."""
    keys = sorted(stored.keys() | listed.keys())
    return [Change(key, stored.get(key), listed.get(key)) for key in keys if stored.get(key) != listed.get(key)]


def test_documents_of_a_renamed_folder_are_paired_in_place_of_others_with_their_name() -> None:
    stored = {f"docs/{folder}/{name}": f"{folder}{name}" for folder in "abc" for name in ("README.md", "x.md", "y.md")}
    listed = {f"web/docs/{key.removeprefix('docs/')}": hash_ for key, hash_ in stored.items()}
    edited = {key: f"{hash_} edited" if "README" in key else hash_ for key, hash_ in listed.items()}
    edited["other/README.md"] = "new"
    moves = find_moves(changes(stored, edited), hashed=True)
    assert moves.likely == {f"web/docs/{folder}/README.md": f"docs/{folder}/README.md" for folder in "abc"}
    assert moves.exact == {key: f"docs/{key.removeprefix('web/docs/')}" for key in listed if "README" not in key}


def test_fingerprints_without_hashes_pair_nothing_by_themselves() -> None:
    moves = find_moves(changes({"a.md": "1", "x/b.md": "1"}, {"c.md": "1", "y/b.md": "1"}), hashed=False)
    assert (moves.exact, moves.likely) == ({}, {"y/b.md": "x/b.md"})


def test_kept_keys_move_only_with_the_same_bytes() -> None:
    differences = changes({"x/a.md": "a", "x/b.md": "b"}, {"y/a.md": "a", "y/b.md": "edited"})
    moves = find_moves(differences, hashed=True, kept={"x/a.md", "x/b.md"})
    assert (moves.exact, moves.likely) == ({"y/a.md": "x/a.md"}, {})


@pytest.mark.parametrize("seed", range(40))
def test_moves_are_consistent_for_random_changes(seed: int) -> None:
    """No two documents get one key; a key with another document is left by it; the order of changes doesn't matter."""
    rng = random.Random(seed)
    paths = [f"{folder}/{name}.md" for folder in ("a", "b", "c/a", "d") for name in "abcd"]
    versions = [{key: rng.choice("ABCDEFGH") for key in rng.sample(paths, rng.randint(0, 12))} for _ in range(2)]
    differences = changes(*versions)
    moves = find_moves(differences, hashed=True)
    assert moves == find_moves(rng.sample(differences, len(differences)), hashed=True)
    stored, listed = versions
    both = moves.exact | moves.likely
    assert len(set(both.values())) == len(both) == len(moves.exact) + len(moves.likely)
    assert both.keys() <= listed.keys()
    assert set(both.values()) <= stored.keys()
    assert both.keys() & stored.keys() <= set(both.values())
    to = {old: key for key, old in both.items()}
    assert all(to[old] in stored for old in to.keys() & listed.keys() - both.keys())
    assert all(stored[old] == listed[key] for key, old in moves.exact.items())
    gone, new = stored.keys() - listed.keys(), listed.keys() - stored.keys()
    unpaired = {stored[key] for key in gone - set(both.values())} & {listed[key] for key in new - both.keys()}
    assert not unpaired


@pytest.mark.parametrize(
    ("old", "new", "alike"),
    [
        ("", "", True),
        ("", "text", False),
        (" ".join(WORDS), " ".join(WORDS[:210]), True),
        (" ".join(WORDS), " ".join(WORDS[:190]), False),
        (" ".join(WORDS), " ".join(reversed(WORDS)), False),
        ("灯在院子里。", "灯在大院子里。", True),
        ("灯在院子里。", "泵用水和管道。", False),
        ("x" * COMPARED_CHARS + " a b c", "x" * COMPARED_CHARS + " d e f", True),
    ],
)
def test_texts_are_alike_if_they_share_half_of_the_longer_one(old: str, new: str, alike: bool) -> None:
    assert is_alike(old, new) is alike
    assert is_alike(new, old) is alike


ADVERSARIAL: dict[str, Callable[[int], list[Change]]] = {
    "one fingerprint": lambda n: changes(
        {f"{i}/a/{i}.md": "F" for i in range(n)}, {f"x{i}/b/{i}x.md": "F" for i in range(n)}
    ),
    "one tail": lambda n: changes(
        {f"{i}/t/README.md": str(i) for i in range(n)}, {f"x{i}/t/README.md": f"x{i}" for i in range(n)}
    ),
    "one tail and fingerprint": lambda n: changes(
        {f"{i}/t/README.md": "F" for i in range(n)}, {f"x{i}/t/README.md": "F" for i in range(n)}
    ),
    "each from another folder": lambda n: changes(
        {f"{i}/{i}.md": f"{i % 2 * i}" for i in range(n)}, {f"x{i}/{i}.md": f"{i % 2 * i}" for i in range(n)}
    ),
    "one chain": lambda n: changes({f"{i}": f"{i}" for i in range(n)}, {f"{i + 1}": f"{i}" for i in range(n)}),
    "one circle": lambda n: changes({f"{i}": f"{i}" for i in range(n)}, {f"{(i + 1) % n}": f"{i}" for i in range(n)}),
    "deep": lambda n: changes(
        {"/".join(["a"] * 40 + [f"{i}.md"]): f"{i}" for i in range(n // 10)},
        {"/".join(["b"] * 40 + [f"{i}.md"]): f"x{i}" for i in range(n // 10)},
    ),
}


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_time_grows_with_the_number_of_keys(name: str) -> None:
    """Eight times the keys take 8 to 20 times the time, with more misses of caches; quadratic time would take 64."""
    small, large = ADVERSARIAL[name](5_000), ADVERSARIAL[name](40_000)
    small_s = large_s = float("inf")
    for _ in range(12):
        small_s, large_s = min(small_s, _cpu_s(small)), min(large_s, _cpu_s(large))
        if large_s < 32 * small_s:
            return
    raise AssertionError(f"{small_s:.3f} s for 5,000 keys, {large_s:.3f} s for 40,000")


def _cpu_s(differences: list[Change]) -> float:
    gc.disable()
    try:
        began = time.thread_time()
        find_moves(differences, hashed=True)
        return time.thread_time() - began
    finally:
        gc.enable()
