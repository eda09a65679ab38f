"""Read YAML as values that JSON can store, of limited size and depth. Pure.

Values are built from the parser's events, so that what aliases and merge keys add is counted before it exists.
"""

from typing import Any, NamedTuple

from functions.collection.parsers.markdown.flat_yaml import read_flat_yaml
from functions.collection.parsers.markdown.json_values import MAX_DEPTH, TOO_BIG, Unreadable, to_json

MAX_EXPANSION = 20_000
"""Values and characters that aliases may add to those that are written."""
MAX_TYPED_CHARS = 100
"""Longer scalars are strings, whatever they look like."""
MAX_TAG_DIRECTIVES = 100
"""libyaml compares each `%TAG` with all before it."""

# PyYAML raises these for a value that doesn't fit its tag, such as `!!bool maybe`, or its form, such as `2024-13-45`.
_VALUE_ERRORS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)

_PREFIX = "tag:yaml.org,2002:"
_STRING, _NUMBERS = f"{_PREFIX}str", (f"{_PREFIX}int", f"{_PREFIX}float")
_MERGE, _SET = f"{_PREFIX}merge", f"{_PREFIX}set"
_COLLECTIONS = (None, "!", _SET, *(f"{_PREFIX}{name}" for name in ("map", "seq", "omap", "pairs")))


def load_yaml(source: str) -> Any:
    """Load a YAML document, None if there is none. Raises Unreadable, with the line of the error in `source`."""
    import yaml  # only needed for pages with front matter

    if source.count("%TAG") > MAX_TAG_DIRECTIVES:
        raise Unreadable(TOO_BIG)
    try:
        return read_flat_yaml(source) or _Reader(source).read()
    except yaml.MarkedYAMLError as error:
        line = f" on line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise Unreadable(f"{error.problem}{line}") from error
    except (yaml.YAMLError, *_VALUE_ERRORS) as error:
        raise Unreadable(str(error).partition("\n")[0] or type(error).__name__) from error


class _Node(NamedTuple):
    """A value with the number of values and characters in it, and how deep they nest."""

    value: Any
    size: int
    depth: int


class _Reader:
    """Builds a document's value from YAML events. A value with an anchor is shared by its aliases."""

    def __init__(self, source: str) -> None:
        import yaml

        self.yaml = yaml
        # The loader's own construction is used for scalars only.
        self.loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(source)
        self.anchors: dict[str, _Node | None] = {}  # None while the anchor's value is being read
        self.expansion = 0

    def read(self) -> Any:
        """Read the only document; None if there is none."""
        events = self.yaml.events
        self.loader.get_event()
        if self.loader.check_event(events.StreamEndEvent):
            return None
        self.loader.get_event()
        node = self.node(self.loader.get_event(), 0)
        self.loader.get_event()
        if not self.loader.check_event(events.StreamEndEvent):
            raise Unreadable("it has more than one YAML document")
        return node.value

    def node(self, event: Any, depth: int) -> _Node:
        if depth > MAX_DEPTH:
            raise Unreadable(TOO_BIG)
        events = self.yaml.events
        if isinstance(event, events.AliasEvent):
            return self.alias(event, depth)
        if event.anchor is not None:
            self.anchors[event.anchor] = None
        if isinstance(event, events.ScalarEvent):
            node = self.scalar(event)
        elif event.tag not in _COLLECTIONS:
            node = _Node(self.construct(event, event.tag, ""), 1, 0)  # raises the error of an unknown tag
        elif isinstance(event, events.SequenceStartEvent):
            node = self.sequence(depth)
        else:
            node = self.mapping(depth, is_set=event.tag == _SET)
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def alias(self, event: Any, depth: int) -> _Node:
        if event.anchor not in self.anchors:
            raise Unreadable(f"found undefined alias {event.anchor!r} on line {event.start_mark.line + 1}")
        node = self.anchors[event.anchor]
        if node is None or depth + node.depth > MAX_DEPTH:
            raise Unreadable(TOO_BIG)
        self.expansion += node.size
        if self.expansion > MAX_EXPANSION:
            raise Unreadable(TOO_BIG)
        return node

    def sequence(self, depth: int) -> _Node:
        items: list[Any] = []
        size, deepest = 1, 0
        while not isinstance(event := self.loader.get_event(), self.yaml.events.SequenceEndEvent):
            item = self.node(event, depth + 1)
            items.append(item.value)
            size += item.size
            deepest = max(deepest, item.depth + 1)
        return _Node(items, size, deepest)

    def mapping(self, depth: int, *, is_set: bool) -> _Node:
        """Read a mapping. Its own keys take precedence over those of merge keys (`<<`), wherever these stand."""
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        size, deepest = 1, 0
        while not isinstance(event := self.loader.get_event(), self.yaml.events.MappingEndEvent):
            key = self.node(event, depth + 1)
            if isinstance(key.value, dict | list):
                raise Unreadable(f"found unhashable key on line {event.start_mark.line + 1}")
            value = self.node(self.loader.get_event(), depth + 1)
            size += key.size + value.size
            deepest = max(deepest, value.depth + 1)
            if self.is_merge(event):
                merged |= _merge(value.value)
            else:
                own[str(key.value)] = value.value
        values = merged | own
        return _Node(list(values) if is_set else values, size, deepest)

    def is_merge(self, event: Any) -> bool:
        is_plain = isinstance(event, self.yaml.events.ScalarEvent) and event.tag is None and event.implicit[0]
        return is_plain and event.value == "<<"

    def scalar(self, event: Any) -> _Node:
        text: str = event.value
        tag = event.tag
        if tag is None or tag == "!":
            is_typed = event.implicit[0] and len(text) <= MAX_TYPED_CHARS
            tag = self.loader.resolve(self.yaml.ScalarNode, text, (True, False)) if is_typed else _STRING
        # Numbers with colons are sexagesimal: `1:30` is 90 in YAML 1.1, but YAML 1.2 has none.
        is_string = tag in (_STRING, _MERGE) or (tag in _NUMBERS and (":" in text or len(text) > MAX_TYPED_CHARS))
        value = to_json(text if is_string else self.typed(event, tag, text))
        return _Node(value, 1 + (len(value) if isinstance(value, str) else 0), 0)

    def typed(self, event: Any, tag: str, text: str) -> Any:
        """Return the value of a scalar; its text if it has no tag and no value, such as the date `2024-13-45`."""
        try:
            return self.construct(event, tag, text)
        except _VALUE_ERRORS:
            if event.tag not in (None, "!"):
                raise
            return text

    def construct(self, event: Any, tag: str, text: str) -> Any:
        return self.loader.construct_object(self.yaml.ScalarNode(tag, text, event.start_mark, event.end_mark))


def _merge(value: Any) -> dict[str, Any]:
    """Return the keys that a merge key adds: those of a mapping, or of several, of which the first takes precedence."""
    mappings = value if isinstance(value, list) else [value]
    merged: dict[str, Any] = {}
    for mapping in reversed(mappings):
        if not isinstance(mapping, dict):
            raise Unreadable("expected a mapping or list of mappings for merging")
        merged |= mapping
    return merged
