r"""Parse filters: `source:handbook path:docs/**/*.md (tag:release OR date>=2026-01-01) -meta.status:draft`. Pure.

    filter    = all ("OR" all)*
    all       = term ("AND"? term)*
    term      = "-" term | "NOT" term | "(" filter ")" | condition
    condition = field (":" values | ("<" | "<=" | ">" | ">=") value)
    field     = "source" | "kind" | "language" | "tag" | "path" | "date" | "fetched" | "meta" ("." name)+
    values    = "*" | value ("," value)*
    value     = quoted | characters other than white space, quotation marks, commas and parentheses
    name      = quoted | characters other than those, and : < > = .
    quoted    = '"' characters, with \" and \\ for " and \ '"'

Fields and the words between conditions may be in capital letters or not.

docs/filters.md explains what they mean.
"""

import re
from typing import NoReturn

from headwater.errors import UnprocessableContent
from headwater.filters.globs import PatternError, to_regex
from headwater.filters.tree import FIELDS, META, TYPOGRAPHIC_QUOTE, And, Condition, Filter, Not, Operator, Or, Value

MAX_CHARS = 2_000
MAX_CONDITIONS = 50
"""Values of one condition count, too."""
MAX_DEPTH = 10
"""Parentheses and negations around a condition."""
MAX_PATH_CHARS = 300

_SPACE = re.compile(r"\s*")
_KEYWORD = re.compile(r"(?:OR|AND|NOT)(?=[\s()]|$)", re.IGNORECASE)
_NAME = re.compile(r'[^\s()",:<>=.]+')
_OPERATOR = re.compile("[<>]=?|:")
_BARE = re.compile(r'[^\s()",]+')
_TYPOGRAPHIC = re.compile(TYPOGRAPHIC_QUOTE)
_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"', re.DOTALL)


class FilterError(UnprocessableContent):
    """A filter is invalid. The problem has the `position` of the error, in code points from 0."""

    def __init__(self, position: int, message: str) -> None:
        super().__init__(f"Invalid filter at character {position + 1}: {message}", position=position)
        self.position = position


def parse_filter(text: str) -> Filter | None:
    """Parse a filter; None if it is blank. Raises FilterError.

    >>> parse_filter("kind:git")
    Condition(field='kind', path=(), operator=':', values=(Value(text='git', is_quoted=False),))
    """
    if len(text) > MAX_CHARS:
        raise FilterError(MAX_CHARS, f"the filter has {len(text):,} characters. The limit is {MAX_CHARS:,}.")
    if (nul := text.find("\0")) >= 0:
        raise FilterError(nul, "the filter contains a NUL character. Remove it.")
    return _Parser(text).parse() if text.strip() else None


class _Parser:
    """Reads a filter from left to right. `position` is always at a token, after white space."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.conditions = 0
        self.skip_space()

    def parse(self) -> Filter:
        parsed = self.any_of(0)
        if self.position < len(self.text):
            self.fail("there is no ( for this ). Remove it.")
        return parsed

    def any_of(self, depth: int) -> Filter:
        filters = [self.all_of(depth)]
        while self.take_keyword("OR"):
            filters.append(self.all_of(depth))
        return filters[0] if len(filters) == 1 else Or(tuple(filters))

    def all_of(self, depth: int) -> Filter:
        filters = [self.term(depth)]
        while self.take_keyword("AND") or not self.at_end_of_all():
            filters.append(self.term(depth))
        return filters[0] if len(filters) == 1 else And(tuple(filters))

    def at_end_of_all(self) -> bool:
        return self.position == len(self.text) or self.text[self.position] == ")" or self.keyword() == "OR"

    def term(self, depth: int) -> Filter:
        if depth > MAX_DEPTH:
            self.fail(f"parentheses and negations nest deeper than {MAX_DEPTH} levels.")
        if self.take_keyword("NOT") or self.take("-"):
            return Not(self.term(depth + 1))
        opening = self.position
        if not self.take("("):
            return self.condition()
        inner = self.any_of(depth + 1)
        if not self.take(")"):
            raise FilterError(opening, "there is no ) for this (. Add it.")
        return inner

    def condition(self) -> Condition:
        start = self.position
        name = self.name()
        field = name.lower()
        if field not in FIELDS:
            self.fail_at(start, f"expected one of the fields {_FIELD_NAMES}, such as `tag:release`, found `{name}`.")
        path: list[str] = []
        while self.text.startswith(".", self.position):
            if field != META:
                self.fail(f"`{field}` has no parts.")
            self.position += 1
            path.append(self.name())
        if field == META and not path:
            self.fail("expected a name, such as `meta.author`.")
        operator = self.operator(field)
        values: tuple[Value, ...] = ()
        if operator == ":" and self.takes_star():
            self.count_condition(start)
        else:
            values = self.values(field, operator)
        self.skip_space()
        return Condition(field, tuple(path), operator, values)

    def operator(self, field: str) -> Operator:
        match = _OPERATOR.match(self.text, self.position)
        if not match:
            self.fail(f"expected `:` and a value after `{field}`, or a comparison such as `>=`.")
        if match[0] != ":" and FIELDS[field] not in ("day", "value"):
            self.fail(f"`{field}` can't be compared. Use `{field}:value`.")
        self.position = match.end()
        operator: Operator = match[0]  # type: ignore[assignment]
        return operator

    def takes_star(self) -> bool:
        """Take a `*` that stands alone: the field exists."""
        match = _BARE.match(self.text, self.position)
        if not match or match[0] != "*" or self.text.startswith(",", match.end()):
            return False
        self.position = match.end()
        return True

    def values(self, field: str, operator: Operator) -> tuple[Value, ...]:
        values = [self.value(field, operator)]
        while self.text.startswith(",", self.position):
            if operator != ":":
                self.fail(f"`{operator}` takes one value.")
            self.position += 1
            values.append(self.value(field, operator))
        return tuple(values)

    def value(self, field: str, operator: Operator) -> Value:
        start = self.position
        self.count_condition(start)
        value = Value(self.quoted(), True) if self.text.startswith('"', start) else Value(self.bare())
        kind = FIELDS[field]
        if value.is_quoted and (kind == "day" or operator != ":"):
            self.fail_at(start, "expected a number or a date, found a text. Remove the quotation marks.")
        if kind == "path":
            _check_path(start, value.text)
        elif kind == "day" and not value.days():
            self.fail_at(start, f"expected a date, such as 2026, 2026-01 or 2026-01-31, found `{value.text}`.")
        elif operator != ":" and not (value.number() or value.days()):
            self.fail_at(start, f"expected a number or a date to compare with, found `{value.text}`.")
        return value

    def count_condition(self, start: int) -> None:
        self.conditions += 1
        if self.conditions > MAX_CONDITIONS:
            self.fail_at(start, f"the filter has more than {MAX_CONDITIONS} values.")

    def bare(self) -> str:
        match = _BARE.match(self.text, self.position)
        if not match:
            self.fail("expected a value. Put values with spaces, commas or parentheses in quotation marks.")
        if _TYPOGRAPHIC.match(match[0]):
            self.fail(f'found the quotation mark {match[0][0]}. Use straight ones: "')
        self.position = match.end()
        return match[0]

    def quoted(self) -> str:
        match = _QUOTED.match(self.text, self.position)
        if not match:
            self.fail('a quotation mark isn\'t closed. Inside of quotation marks, write \\" for " and \\\\ for \\.')
        self.position = match.end()
        return re.sub(r"\\(.)", r"\1", match[1], flags=re.DOTALL)

    def name(self) -> str:
        if self.text.startswith('"', self.position):
            return self.quoted()
        match = _NAME.match(self.text, self.position)
        if not match:
            self.fail(f"expected one of the fields {_FIELD_NAMES}, such as `tag:release`.")
        if _TYPOGRAPHIC.match(match[0]):
            self.fail(f'found the quotation mark {match[0][0]}. Use straight ones: "')
        self.position = match.end()
        return match[0]

    def keyword(self) -> str:
        match = _KEYWORD.match(self.text, self.position)
        return match[0].upper() if match else ""

    def take_keyword(self, keyword: str) -> bool:
        return self.keyword() == keyword and self.take(self.text[self.position : self.position + len(keyword)])

    def take(self, token: str) -> bool:
        if not self.text.startswith(token, self.position):
            return False
        self.position += len(token)
        self.skip_space()
        return True

    def skip_space(self) -> None:
        match = _SPACE.match(self.text, self.position)
        assert match
        self.position = match.end()

    def fail(self, message: str) -> NoReturn:
        raise FilterError(self.position, message)

    def fail_at(self, position: int, message: str) -> NoReturn:
        raise FilterError(position, message)


_FIELD_NAMES = ", ".join(f"{name}.name" if name == META else name for name in FIELDS)


def _check_path(position: int, pattern: str) -> None:
    """Raise FilterError for a pattern that is invalid or too long."""
    if len(pattern) > MAX_PATH_CHARS:
        raise FilterError(position, f"the path has {len(pattern):,} characters. The limit is {MAX_PATH_CHARS:,}.")
    try:
        to_regex(pattern)
    except PatternError as error:
        raise FilterError(position, f"{error}.") from error
