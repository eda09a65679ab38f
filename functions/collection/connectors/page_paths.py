"""Keys of pages by the titles of their parents, for sources whose pages have ids. Pure."""

import re
from collections.abc import Iterable, Mapping

import msgspec

MAX_PARENTS = 20
_MAX_NAME_BYTES, _MAX_KEY_BYTES = 120, 1_500
_UNSAFE = re.compile(r"[\x00-\x1f\x7f/\\\ud800-\udfff]+")


class PathNode(msgspec.Struct, frozen=True):
    """A page or folder, by its title and the id of its parent; "" without one."""

    title: str
    parent: str = ""


def page_keys(nodes: Mapping[str, PathNode], ids: Iterable[str], *, root: str = "", suffix: str = "") -> dict[str, str]:
    """Return a key for each id: the titles from the outermost known parent on, up to `root`.

    Pages whose keys would be the same get parts of their ids. A cycle of parents ends where it begins again.
    """
    keys: dict[str, str] = {}
    taken: set[str] = set()
    for page_id in sorted(ids):
        names: list[str] = []
        seen: set[str] = set()
        current = page_id
        while current in nodes and current != root and current not in seen and len(names) <= MAX_PARENTS:
            seen.add(current)
            names.append(file_name(nodes[current].title))
            current = nodes[current].parent
        path = "/".join(reversed(names))
        while len(path.encode()) > _MAX_KEY_BYTES:
            path = path.partition("/")[2]
        key = f"{path}{suffix}"
        if key.casefold() in taken:
            stem, dot, extension = path.rpartition(".") if not suffix and "." in path[-10:] else (path, "", "")
            key = f"{stem} ({_UNSAFE.sub('', page_id)[-40:]}){dot}{extension}{suffix}"
        taken.add(key.casefold())
        keys[page_id] = key
    return keys


def file_name(title: str) -> str:
    r"""Return a title as a part of a path.

    >>> file_name(" A/B\n "), file_name("..")
    ('A-B', 'Untitled')
    """
    name = " ".join(_UNSAFE.sub("-", title.strip()).split())
    name = name.encode(errors="ignore")[:_MAX_NAME_BYTES].decode(errors="ignore").strip()
    return name if name.strip(".- ") else "Untitled"
