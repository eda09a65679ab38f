"""Find documents that moved: pair the keys that a listing lacks with those that are new in it. Pure.

With fingerprints that are hashes, a document moved if a new key has its fingerprint. Documents may also follow each
other (`2.md` becomes `3.md` and `1.md` becomes `2.md`) or swap their keys. A document that was changed at the same time
has probably moved if a new key has the same end of the path; its content decides (`is_alike`). A single document whose
key is still listed was changed, not moved: its old content elsewhere is a copy.

The work is linear in the number of keys, however similar they are.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import pairwise
from typing import NamedTuple

MAX_TAIL = 16
"""Names at the end of a path that are compared; paths that have more in common are equally similar."""
MAX_FOLDERS = 16
"""Renamed folders that changed documents are looked for in: those of which most other documents moved."""
COMPARED_CHARS = 100_000
"""Compared part of a text."""
MIN_SHARE = 0.5
"""Share of the longer text that both have, from which two texts are alike. Git's limit for renames is the same."""

_TOKEN = re.compile(r"[0-9A-Za-z]+|\S")


class Change(NamedTuple):
    """A key where the stored documents and the listing differ.

    The fingerprints are the source's own. `stored` is None without a document, `listed` None if the listing lacks it.
    """

    key: str
    stored: str | None
    listed: str | None


class Moves(NamedTuple):
    """Old keys by new key: of documents with the same bytes, and of those whose content has yet to be compared."""

    exact: dict[str, str]
    likely: dict[str, str]


def find_moves(changes: Iterable[Change], *, hashed: bool, kept: AbstractSet[str] = frozenset()) -> Moves:
    """Find moves. `hashed`: equal fingerprints mean equal bytes. Keys in `kept` move only with the same bytes."""
    changes = sorted(changes)
    gone = {key: stored for key, stored, listed in changes if stored is not None and listed is None}
    new = {key: listed for key, stored, listed in changes if stored is None and listed is not None}
    exact: dict[str, str] = {}
    if hashed:
        exact |= _pair_by_tail(gone, new, shortest=0)
        exact |= _chains(_without(gone, exact.values()), _without(new, exact), changes)
    gone_keys, new_keys = _without(gone, [*exact.values(), *kept]), _without(new, exact)
    likely = _pair_by_folder(exact, gone_keys, new_keys)
    gone_keys, new_keys = _without(gone_keys, likely.values()), _without(new_keys, likely)
    likely |= _pair_by_tail(dict.fromkeys(gone_keys, ""), dict.fromkeys(new_keys, ""), shortest=1)
    return Moves(exact, likely)


def is_alike(old: str, new: str) -> bool:
    """Return True if two texts have most of their content in common: pairs of neighbouring words and signs.

    >>> is_alike("Lamp 3 stands in yard 3.", "Lamp 3 stands in the yard 3 now.")
    True
    >>> is_alike("Lamp 3 stands in yard 3.", "Pump 4 stands in yard 4.")
    False
    """
    counts = [Counter(pairwise(["", *_TOKEN.findall(text[:COMPARED_CHARS])])) for text in (old, new)]
    return (counts[0] & counts[1]).total() >= MIN_SHARE * max(counts[0].total(), counts[1].total())


def _without(keys: Mapping[str, str], paired: Iterable[str]) -> dict[str, str]:
    paired = frozenset(paired)
    return {key: label for key, label in keys.items() if key not in paired}


def _pair_by_tail(gone: Mapping[str, str], new: Mapping[str, str], *, shortest: int) -> dict[str, str]:
    """Pair keys with the same label: those with the longest common end of the path first, then in order.

    Ends of fewer than `shortest` names are not enough; with 0, the label alone is. Case and file extension don't count.
    """
    labels = frozenset(gone.values()) & frozenset(new.values())
    left = {key: _names(key) for key, label in gone.items() if label in labels}
    looking = {key: _names(key) for key, label in new.items() if label in labels}
    deepest = min(max(map(len, names.values()), default=0) for names in (left, looking))
    pairs: dict[str, str] = {}
    for length in range(min(MAX_TAIL, deepest), shortest - 1, -1):
        waiting: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for key, names in reversed(left.items()):
            if len(names) >= length:
                waiting[gone[key], *names[:length]].append(key)
        found = {}
        for key, names in looking.items():
            if len(names) >= length and (keys := waiting.get((new[key], *names[:length]))):
                found[key] = keys.pop()
        for key, old in found.items():
            del looking[key], left[old]
        pairs |= found
    return pairs


def _names(key: str) -> Sequence[str]:
    """Return the last names of a path, last one first, without what doesn't count: `Docs/a.md` → `["a", "docs"]`."""
    *folders, name = key.casefold().split("/")[-MAX_TAIL:]
    return [name.rpartition(".")[0] or name, *reversed(folders)]


def _chains(gone: Mapping[str, str], new: Mapping[str, str], changes: Iterable[Change]) -> dict[str, str]:
    """Find documents that follow each other to a new key, or in a circle.

    A single document at a key that is still listed doesn't count: it was copied and changed. Only fingerprints that one
    document had and one key has now tell where a document went.
    """
    replaced = [(key, stored, listed) for key, stored, listed in changes if stored and listed and stored != listed]
    sources = _unique([*gone.items(), *((key, stored) for key, stored, _ in replaced)])
    targets = _unique([*new.items(), *((key, listed) for key, _, listed in replaced)])
    moved_to = {old: targets[fingerprint] for fingerprint, old in sources.items() if fingerprint in targets}
    chains: dict[str, str] = {}
    seen: set[str] = set()
    followers = frozenset(moved_to.values())
    for start in sorted(moved_to, key=followers.__contains__):  # circles last: only there each follows another
        chain, key = {}, start
        while key in moved_to and key not in seen:
            seen.add(key)
            chain[moved_to[key]] = key
            key = moved_to[key]
        if key == start or (key in new and (start in gone or len(chain) > 1)):
            chains |= chain
    return chains


def _unique(keys: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the keys by fingerprint, of fingerprints that one key has."""
    keys = list(keys)
    counts = Counter(fingerprint for _, fingerprint in keys)
    return {fingerprint: key for key, fingerprint in keys if counts[fingerprint] == 1}


def _pair_by_folder(exact: Mapping[str, str], gone: Iterable[str], new: Mapping[str, str]) -> dict[str, str]:
    """Pair keys of folders that were renamed, as other documents show that moved with the same name."""
    renamed = Counter(folders for key, old in exact.items() if (folders := _renamed_folder(old, key)) is not None)
    common = sorted(renamed, key=lambda folders: (-renamed[folders], folders))[:MAX_FOLDERS]
    pairs: dict[str, str] = {}
    for old in gone:
        for before, after in common:
            key = after + old.removeprefix(before)
            if old.startswith(before) and key in new and key not in pairs:
                pairs[key] = old
                break
    return pairs


def _renamed_folder(old: str, new: str) -> tuple[str, str] | None:
    """Return the folders that differ: `docs/a/b.md` and `web/docs/a/b.md` → `("", "web/")`; None for other names."""
    old_names, new_names = old.split("/"), new.split("/")
    same = 0
    while same < min(len(old_names), len(new_names)) and old_names[-1 - same] == new_names[-1 - same]:
        same += 1
    if not same:
        return None
    return "".join(f"{name}/" for name in old_names[:-same]), "".join(f"{name}/" for name in new_names[:-same])
