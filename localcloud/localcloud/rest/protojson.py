"""Protobuf JSON (https://protobuf.dev/programming-guides/json/): reads and checks messages, writes times and durations.

Times are seconds since 1970 (float, exact to the microsecond), durations are seconds.
"""

import base64
import binascii
import enum
import math
import re
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self, TypeVar

from localcloud.rest.router import ApiError, JsonObject

E = TypeVar("E", bound=enum.Enum)

_DURATION = re.compile(r"-?\d{1,12}(\.\d{1,9})?s")


class Message:
    """Reads a message field by field. As a context manager, it rejects fields that were not read."""

    def __init__(self, value: Any, path: str) -> None:
        if not isinstance(value, dict):
            raise ApiError("INVALID_ARGUMENT", f"Invalid value at '{path}': a JSON object is expected.")
        self._path = path
        self._fields = {camel_case(name): field for name, field in value.items() if field is not None}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            for name in self._fields:
                raise ApiError(
                    "INVALID_ARGUMENT",
                    f"Invalid JSON payload received. Unknown name \"{name}\" at '{self._path}': Cannot find field.",
                )

    def ignore(self, *names: str) -> None:
        """Skip fields, such as output-only ones, that have no effect when a client sends them."""
        for name in names:
            self._fields.pop(name, None)

    def unsupported(self, name: str, full_name: str) -> None:
        """Reject a field that localcloud does not support, unless it is empty."""
        if self._fields.pop(name, None):
            raise ApiError("UNIMPLEMENTED", f"{full_name} is not supported by localcloud.")

    def string(self, name: str) -> str:
        """Return a string, '' if absent."""
        value = self._fields.pop(name, "")
        if not isinstance(value, str):
            raise self._invalid(name, value)
        return value

    def strings(self, name: str) -> list[str]:
        """Return a list of strings, [] if absent."""
        value = self._fields.pop(name, [])
        if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
            raise self._invalid(name, value)
        return value

    def boolean(self, name: str) -> bool:
        """Return a boolean, False if absent."""
        value = self._fields.pop(name, False)
        if not isinstance(value, bool):
            raise self._invalid(name, value)
        return value

    def integer(self, name: str, default: int = 0) -> int:
        """Return an integer, which JSON may quote; the default if absent."""
        value = self._fields.pop(name, default)
        try:
            if isinstance(value, bool) or int(value) != float(value):
                raise self._invalid(name, value)
            return int(value)
        except (TypeError, ValueError, OverflowError) as error:
            raise self._invalid(name, value) from error

    def number(self, name: str) -> float:
        """Return a finite number, 0 if absent."""
        value = self._fields.pop(name, 0)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self._invalid(name, value)
        return float(value)

    def duration_s(self, name: str) -> float:
        """Return a duration in seconds, 0 if absent: `1.5s` gives 1.5."""
        value = self._fields.pop(name, "0s")
        if not isinstance(value, str) or not _DURATION.fullmatch(value):
            raise self._invalid(name, value)
        return float(value[:-1])

    def timestamp(self, name: str) -> float | None:
        """Return seconds since 1970, None if absent."""
        value = self._fields.pop(name, None)
        if value is None:
            return None
        try:
            parsed = datetime.fromisoformat(value)
        except (TypeError, ValueError) as error:
            raise self._invalid(name, value) from error
        if parsed.tzinfo is None:
            raise self._invalid(name, value)
        return parsed.timestamp()

    def base64_bytes(self, name: str) -> bytes:
        """Decode base64 (standard or URL-safe), b'' if absent."""
        value = self.string(name)
        try:
            return base64.b64decode(value.translate(_URL_SAFE) + "=" * (-len(value) % 4), validate=True)
        except (binascii.Error, ValueError) as error:
            raise self._invalid(name, value) from error

    def enum_value(self, name: str, kind: type[E]) -> E:
        """Return an enum member, given by name or number; the one numbered 0 if absent."""
        value = self._fields.pop(name, 0)
        member = enum_member(kind, value)
        if member is None:
            raise self._invalid(name, value)
        return member

    def string_map(self, name: str) -> dict[str, str]:
        """Return a map of strings, {} if absent."""
        value = self._fields.pop(name, {})
        if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
            raise self._invalid(name, value)
        return value

    def messages(self, name: str) -> "list[Message]":
        """Return a list of nested messages, [] if absent."""
        value = self._fields.pop(name, [])
        if not isinstance(value, list):
            raise self._invalid(name, value)
        return [Message(item, f"{self._path}.{name}[{index}]") for index, item in enumerate(value)]

    def message(self, name: str) -> "Message | None":
        """Return a nested message, None if absent."""
        value = self._fields.pop(name, None)
        return None if value is None else Message(value, f"{self._path}.{name}" if self._path else name)

    def _invalid(self, name: str, value: object) -> ApiError:
        return ApiError("INVALID_ARGUMENT", f"Invalid value at '{self._path}.{name}': {str(value)[:100]!r}")


_URL_SAFE = str.maketrans("-_", "+/")


def enum_member(kind: type[E], value: object) -> E | None:
    """Return the member with this name or number (also as a string), or None."""
    if isinstance(value, str) and value in kind.__members__:
        return kind[value]
    number = int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 10 else value
    return next((member for member in kind if member.value == number), None)


def camel_case(name: str) -> str:
    """Return a field's JSON name: `rate_limits` gives `rateLimits`, which stays as it is."""
    first, *rest = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


def masked(settings: JsonObject, body: Any, mask: list[str]) -> JsonObject:
    """Copy the fields of an update mask from `body` into `settings`; remove those that `body` lacks."""
    for path in mask:
        *parents, leaf = [camel_case(name) for name in path.split(".")]
        target, source = settings, _camel_keys(body)
        for name in parents:
            target, source = target.setdefault(name, {}), _camel_keys(source.get(name))
        target.pop(leaf, None)
        if leaf in source:
            target[leaf] = source[leaf]
    return settings


def _camel_keys(value: Any) -> JsonObject:
    return {camel_case(name): field for name, field in value.items()} if isinstance(value, dict) else {}


def duration_text(seconds: float) -> str:
    """Format a duration with 0, 3 or 9 decimals: 0.1 gives `0.100s`."""
    if seconds == int(seconds):
        return f"{int(seconds)}s"
    return f"{seconds:.3f}s" if round(seconds, 3) == seconds else f"{seconds:.9f}s"


def timestamp_text(time: float) -> str:
    """Format a time: 0.5 gives `1970-01-01T00:00:00.500000Z`."""
    return datetime.fromtimestamp(time, UTC).isoformat().replace("+00:00", "Z")


def optional_timestamp_text(time: float | None) -> str | None:
    """Format a time that may be None."""
    return None if time is None else timestamp_text(time)


def without_none(fields: JsonObject) -> JsonObject:
    """Return a message without fields that are None."""
    return {name: value for name, value in fields.items() if value is not None}
