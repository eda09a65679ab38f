"""Read the front matter of a page: YAML between `---` lines, TOML between `+++` lines, JSON, or properties. Pure."""

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from functions.collection.parsers.markdown.json_values import TOO_BIG, Unreadable, tree_to_json
from functions.collection.parsers.markdown.yaml_values import load_yaml

MAX_FRONT_MATTER_CHARS = 262_144

# Hugo and Zola allow blank lines before it; YAML may also end with `...`, as in Jekyll and Pandoc.
_OPENING = re.compile(r"(?:[ \t]*+\n)*(?:(---|\+\+\+)[ \t]*\n|(?=\{\s*[\"}]))")
_CLOSINGS = {
    "---": re.compile(r"^(?:---|\.\.\.)[ \t]*+$", re.MULTILINE),
    "+++": re.compile(r"^\+\+\+[ \t]*+$", re.MULTILINE),
}
_FIRST_YAML_KEY = re.compile(r"\s*+(?:#[^\n]*+\n\s*+)*[\w\"'{][^\n:]{0,60}:(?:\s|$)")
_PROPERTIES = re.compile(r"(?:[A-Za-z][\w-]*::[ \t][^\n]*+(?:\n|\Z))+(?=[ \t]*(?:\n|\Z|[-*]))")
_LIST_PROPERTIES = ("alias", "tags")
_LINE_END = re.compile(r"[ \t]*+(?:\n|\Z)")

# The TOML parser takes quadratic time for keys of many parts, `a.b.c`. Strings are one part each.
_TOML_STRING = re.compile(r"""#[^\n]*+|"(?:[^"\\\n]++|\\.)*"|'[^'\n]*+'""")
_LONG_TOML_KEY = re.compile(r"(?<![\w-])(?:[\w-]++[ \t]*+\.[ \t]*+){20}")


class FrontMatter(NamedTuple):
    """The values, which JSON can store, and the offset in the text where the body starts."""

    values: dict[str, Any]
    body_start: int
    warning: str | None


def read_front_matter(text: str, *, json_allowed: bool = False) -> FrontMatter:
    """Read the front matter at the start of a page.

    A block between `---` that neither is a mapping nor looks like an invalid one follows a thematic break: the body
    starts at 0. An invalid mapping isn't part of the body. Both have a warning. Invalid JSON is text.
    """
    opening = _OPENING.match(text)
    if opening and opening[1]:
        return _read_block(text, opening[1], opening.end())
    if opening and json_allowed:
        return _read_json(text, opening.end())
    if properties := _PROPERTIES.match(text):
        return FrontMatter(_read_properties(properties[0]), 0, None)
    return FrontMatter({}, 0, None)


def _read_block(text: str, mark: str, start: int) -> FrontMatter:
    """Read the YAML or TOML that begins at `start`, up to its closing line."""
    # The closing line may follow at once: `---\n---` is an empty block.
    closing = _CLOSINGS[mark].search(text, start, start + MAX_FRONT_MATTER_CHARS)
    if not closing:
        return FrontMatter({}, 0, None)
    # With a line break for each line before it, so that errors name the file's lines.
    source = "\n" * text.count("\n", 0, start) + text[start : closing.start()]
    body_start = min(closing.end() + 1, len(text))
    try:
        loaded = _LOADERS[mark](source)
    except Unreadable as error:
        if mark == "---" and not _FIRST_YAML_KEY.match(source):
            body_start = 0
        return FrontMatter({}, body_start, f"front matter ignored: {error}")
    if loaded is not None and not isinstance(loaded, dict):
        return FrontMatter({}, 0, f"front matter ignored: it is a {type(loaded).__name__}, not a mapping")
    return FrontMatter(loaded or {}, body_start, None)


def _load_toml(source: str) -> dict[str, Any]:
    import tomllib  # only needed for pages with such front matter

    if _LONG_TOML_KEY.search(_TOML_STRING.sub("s", source)):
        raise Unreadable(TOO_BIG)
    try:
        loaded: dict[str, Any] = tree_to_json(tomllib.loads(source))
    except RecursionError as error:
        raise Unreadable(TOO_BIG) from error
    except ValueError as error:
        raise Unreadable(str(error)) from error
    return loaded


_LOADERS: dict[str, Callable[[str], Any]] = {"---": load_yaml, "+++": _load_toml}


def _read_properties(source: str) -> dict[str, Any]:
    """Read the properties of a page of Logseq. They remain part of its text."""
    values: dict[str, Any] = {}
    for line in source.splitlines():
        name, _, value = line.partition("::")
        texts = [text.strip().strip("[]#") for text in value.split(",")]
        values[name.lower()] = tree_to_json(
            [text for text in texts if text] if name.lower() in _LIST_PROPERTIES else value.strip()
        )
    return values


def _read_json(text: str, start: int) -> FrontMatter:
    """Read a JSON object that ends its line; anything else is text."""
    try:
        loaded, end = json.JSONDecoder().raw_decode(text[start : start + MAX_FRONT_MATTER_CHARS])
        values: dict[str, Any] = tree_to_json(loaded)
    except (ValueError, RecursionError, Unreadable):
        return FrontMatter({}, 0, None)
    line_end = _LINE_END.match(text, start + end)
    return FrontMatter(values, line_end.end(), None) if line_end else FrontMatter({}, 0, None)
