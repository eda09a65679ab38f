"""Read YAML of one line for each key, as most front matter is, several times as fast as a YAML parser. Pure."""

import re
from functools import cache
from typing import Any

_QUOTED = r'"([ !#-\[\]-~]*+)"'  # ASCII without escapes
_LISTED = _QUOTED.replace("(", "(?:")
_PLAIN = r"[A-Za-z0-9][\w./,()'-]*+(?: ++[\w./,()'-]++)*"
_LINE = re.compile(
    rf"([A-Za-z][\w.-]{{0,60}}+): ++(?:{_QUOTED}|\[({_LISTED}(?:, *+{_LISTED})*)\]|({_PLAIN})) *+(?:\n++|\Z)", re.ASCII
)
_QUOTED_TEXTS = re.compile(_QUOTED)


def read_flat_yaml(source: str) -> dict[str, str | list[str]] | None:
    """Read a mapping of keys to texts and to lists of quoted texts; None if a line has anything else."""
    values: dict[str, str | list[str]] = {}
    position = len(source) - len(source.lstrip("\n"))
    while position < len(source):
        line = _LINE.match(source, position)
        if line is None:
            return None
        key, quoted, listed, plain = line.groups()
        if not _is_text(key) or (plain and not _is_text(plain)):
            return None
        values[key] = plain or (quoted if listed is None else _QUOTED_TEXTS.findall(listed))
        position = line.end()
    return values or None


def _is_text(plain: str) -> bool:
    """Return False for what YAML reads as a number, a date, a truth value or null."""
    resolvers = _resolvers()
    return not any(pattern.match(plain) for _, pattern in resolvers.get(plain[0], ()))


@cache
def _resolvers() -> Any:
    """Return patterns of values that are no text, by their first character."""
    import yaml  # only needed for pages with front matter

    return yaml.resolver.Resolver.yaml_implicit_resolvers
