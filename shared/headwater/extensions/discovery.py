"""Find installed extensions by their entry points, without importing them.

An entry point's name says what it adds: a kind of source, a media type or file extension, a tool's or agent's name.
Only this module resolves entry points. They are read once per process: functions see a new extension after a restart.
"""

from collections.abc import Sequence
from functools import cache
from typing import Literal

import msgspec

from headwater.errors import SystemicError

Group = Literal["headwater.agents", "headwater.connectors", "headwater.parsers", "headwater.tools"]


class Extension(msgspec.Struct, frozen=True):
    """An installed entry point: `target` is its object, such as `acme.feeds:FeedConnector`."""

    group: Group
    name: str
    target: str
    package: str
    version: str


def find_extension(group: Group, name: str) -> Extension | None:
    """Find an extension by the name of its entry point; raises SystemicError if two packages have it."""
    found = installed(group).get(name, ())
    if len(found) > 1:
        packages = " and ".join(extension.package for extension in found)
        raise SystemicError(
            f"{packages} both add {name!r} ({group}), so neither is used. Uninstall one of them and restart Headwater."
        )
    return found[0] if found else None


def names(group: Group) -> list[str]:
    """List the names of all entry points in a group."""
    return sorted(installed(group))


@cache
def installed(group: Group) -> dict[str, Sequence[Extension]]:
    """Return the installed extensions of a group by name."""
    from importlib.metadata import entry_points

    found: dict[str, list[Extension]] = {}
    for point in entry_points(group=group):
        package, version = (point.dist.name, point.dist.version) if point.dist else ("?", "0")
        found.setdefault(point.name, []).append(Extension(group, point.name, point.value, package, version))
    return {name: tuple(extensions) for name, extensions in found.items()}
