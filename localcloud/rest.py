"""Google's REST conventions: routes by resource name, JSON in and out, and the one shape of errors. No sockets here.

In flow a verb, a target and a body (from `server`), out flow a status and JSON bytes. A service is a list of `Route`s
whose handlers take a `Call` and return JSON, with enum members where the API has enums: they leave as names or as
numbers, as the client asked.
"""

import enum
import json
import re
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from localcloud.logs import emit

# google.rpc.Code by name, as HTTP: https://cloud.google.com/apis/design/errors#handling_errors
HTTP_STATUS = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "INTERNAL": 500,
    "UNIMPLEMENTED": 501,
}

JsonObject = dict[str, Any]


class ApiError(Exception):
    """An error of the API: `status` is the name of a google.rpc.Code, `message` what the client is told."""

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.http_status = HTTP_STATUS[status]
        self.body: JsonObject = {"error": {"code": self.http_status, "message": message, "status": status}}


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a method: the variables of its path, its query, its body ({} when there was none)."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Any


Handler = Callable[[Call], JsonObject]


@dataclass(frozen=True, slots=True)
class Route:
    """A method of an API, `template` as in google.api.http; without a handler it is known but not supported."""

    verb: str
    template: str
    name: str
    handler: Handler | None = None


class Router:
    """Finds the method of a request and calls it."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = [(route.verb, _compile(route.template), route) for route in routes]

    def answer(self, verb: str, target: str, body: bytes) -> tuple[int, bytes]:
        """Return the HTTP status and the JSON that answer a request; never raises. `target` may be in absolute form."""
        url = urlsplit(target)
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        try:
            status, result = 200, self._call(verb, unquote(url.path), query, body)
        except ApiError as error:
            status, result = error.http_status, error.body
        except Exception:  # noqa: BLE001 - the boundary: a defect must be one client's answer, not everybody's end
            emit("ERROR", "a method failed", action=f"{verb} {url.path}", stack_trace=traceback.format_exc())
            internal = ApiError("INTERNAL", "Internal error encountered.")
            status, result = internal.http_status, internal.body
        numbers = "enum-encoding=int" in query.get("$alt", "")
        return status, json.dumps(result, default=_enum_number if numbers else _enum_name).encode()

    def _call(self, verb: str, path: str, query: Mapping[str, str], body: bytes) -> JsonObject:
        for route_verb, pattern, route in self._routes:
            if route_verb == verb and (match := pattern.fullmatch(path)):
                if route.handler is None:
                    raise ApiError("UNIMPLEMENTED", f"{route.name} is not supported by localcloud.")
                return route.handler(Call(match.groupdict(), query, _parse(body)))
        raise ApiError("UNIMPLEMENTED", f"{verb} {path} is not a method that localcloud knows.")


def _compile(template: str) -> re.Pattern[str]:
    """Turn `/v2/{name=projects/*/queues/*}:pause` into a pattern with the group `name`; `*` is one segment."""
    pattern = ""
    for literal, variable, value in re.findall(r"([^{]+)|\{(\w+)=([^}]+)\}", template):
        segments = re.escape(literal or value).replace(r"\*", "[^/]+")
        pattern += segments if literal else f"(?P<{variable}>{segments})"
    return re.compile(pattern)


def _parse(body: bytes) -> Any:
    if not body:
        return {}
    try:
        return json.loads(body)
    except ValueError as error:
        raise ApiError("INVALID_ARGUMENT", f"Invalid JSON payload received. {error}") from error


def _enum_name(value: object) -> str:
    if isinstance(value, enum.Enum):
        return value.name
    raise TypeError(f"{value!r} is not JSON")


def _enum_number(value: object) -> int:
    if isinstance(value, enum.Enum):
        return int(value.value)
    raise TypeError(f"{value!r} is not JSON")
