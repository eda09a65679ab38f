"""Google's REST conventions: routes by resource name, JSON in and out, and the one shape of errors. No sockets here.

In flow a verb, a target and a body (from `server`), out flow a status and JSON bytes. A service is a list of `Route`s
whose handlers take a `Call` and return JSON, with enum members where the API has enums: they leave as names or as
numbers, as the client asked. A handler that has to wait for something (and only such a one) returns an awaitable.
"""

import enum
import inspect
import json
import re
import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from localcloud.event_log import emit

# google.rpc.Code by name, as HTTP: https://cloud.google.com/apis/design/errors#handling_errors
HTTP_STATUS = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "ABORTED": 409,
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
    """One call of a method: the host it was meant for, the variables of its path, its query, its body ({} for none)."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Any
    host: str = ""


Handler = Callable[[Call], JsonObject | Awaitable[JsonObject]]


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

    async def answer(self, verb: str, target: str, body: bytes, host: str = "") -> tuple[int, bytes]:
        """Return the HTTP status and the JSON that answer a request; never raises.

        `target` may be in absolute form, as a proxy gets it; its host then is the one that was meant.
        """
        query: dict[str, str] = {}
        try:
            url = _split(target)
            query = dict(parse_qsl(url.query, keep_blank_values=True))
            result = self._call(verb, unquote(url.path), query, body=body, host=url.netloc or host)
            status, result = 200, await result if inspect.isawaitable(result) else result
        except ApiError as error:
            status, result = error.http_status, error.body
        except Exception:  # noqa: BLE001 - the boundary: a defect must be one client's answer, not everybody's end
            emit(
                "ERROR",
                "a method failed",
                action=f"{verb} {target.partition('?')[0]}",
                stack_trace=traceback.format_exc(),
            )
            internal = ApiError("INTERNAL", "Internal error encountered.")
            status, result = internal.http_status, internal.body
        numbers = "enum-encoding=int" in query.get("$alt", "")
        return status, json.dumps(result, default=_enum_number if numbers else _enum_name).encode()

    def _call(
        self, verb: str, path: str, query: Mapping[str, str], *, body: bytes, host: str
    ) -> JsonObject | Awaitable[JsonObject]:
        for route_verb, pattern, route in self._routes:
            if route_verb == verb and (match := pattern.fullmatch(path)):
                if route.handler is None:
                    raise ApiError("UNIMPLEMENTED", f"{route.name} is not supported by localcloud.")
                return route.handler(Call(match.groupdict(), query, _parse(body), host))
        raise ApiError("UNIMPLEMENTED", f"{verb} {path} is not a method that localcloud knows.")


def invalid(message: str) -> ApiError:
    """Return the error of a request that can't be right."""
    return ApiError("INVALID_ARGUMENT", message)


def _split(target: str) -> SplitResult:
    try:
        return urlsplit(target)
    except ValueError as error:
        raise invalid(f"not a request target: {target[:80]!r}") from error


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
