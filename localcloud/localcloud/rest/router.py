"""Google's REST conventions: routes by resource name, JSON bodies, errors in Google's format. No sockets.

A service is a list of `Route`s. Their handlers take a `Call` and return JSON, with enum members where the API has
enums; the router writes those as names or numbers, as the client requested. Handlers that wait return an awaitable.
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

# HTTP status by name of google.rpc.Code: https://cloud.google.com/apis/design/errors#handling_errors
HTTP_STATUS = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "ABORTED": 409,
    "INTERNAL": 500,
    "UNIMPLEMENTED": 501,
}

JsonObject = dict[str, Any]


class ApiError(Exception):
    """An API error. `status`: the name of a google.rpc.Code. `message`: shown to the client."""

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.http_status = HTTP_STATUS[status]
        self.body: JsonObject = {"error": {"code": self.http_status, "message": message, "status": status}}


@dataclass(frozen=True, slots=True)
class Call:
    """A method call. `path`: the variables of the template. `body`: decoded JSON, {} if empty."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Any
    host: str = ""


Handler = Callable[[Call], JsonObject | Awaitable[JsonObject]]


@dataclass(frozen=True, slots=True)
class Route:
    """An API method. `template`: as in google.api.http. Without a handler, the method is answered with 501.

    `public`: it needs no token.
    """

    verb: str
    template: str
    name: str
    handler: Handler | None = None
    public: bool = False


class Router:
    """Calls the method that a request is for."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = [(route.verb, _compile(route.template), route) for route in routes]

    def is_public(self, verb: str, target: str) -> bool:
        """Return True if a request's method needs no token."""
        path = target.partition("?")[0]
        return any(
            route.public and route_verb == verb and pattern.fullmatch(path)
            for route_verb, pattern, route in self._routes
        )

    async def answer(self, verb: str, target: str, body: bytes, host: str = "") -> tuple[int, bytes]:
        """Call a request's method; returns the HTTP status and JSON. Never raises.

        `target`: the request target. In absolute form, as clients send it to a proxy, its host replaces `host`.
        """
        query: dict[str, str] = {}
        try:
            url = _split(target)
            query = dict(parse_qsl(url.query, keep_blank_values=True))
            route, variables = self.find(verb, unquote(url.path))
            status, result = 200, await self.call(route, Call(variables, query, _parse(body), url.netloc or host))
        except ApiError as error:
            status, result = error.http_status, error.body
        numbers = "enum-encoding=int" in query.get("$alt", "")
        return status, json.dumps(result, default=_enum_number if numbers else enum_name).encode()

    def find(self, verb: str, path: str) -> tuple[Route, Mapping[str, str]]:
        """Return the method of a path, without percent-encoding, and the variables in it. Errors: UNIMPLEMENTED."""
        for route_verb, pattern, route in self._routes:
            if route_verb == verb and (match := pattern.fullmatch(path)):
                return route, match.groupdict()
        raise ApiError("UNIMPLEMENTED", f"{verb} {path} is not a method that localcloud supports.")

    async def call(self, route: Route, call: Call) -> JsonObject:
        """Call a method. Errors: ApiError; an unexpected error is logged and becomes INTERNAL."""
        if route.handler is None:
            raise ApiError("UNIMPLEMENTED", f"{route.name} is not supported by localcloud.")
        try:
            result = route.handler(call)
            return await result if inspect.isawaitable(result) else result
        except ApiError:
            raise
        except Exception as error:
            message, trace = "method failed with an unexpected error", traceback.format_exc()
            emit("ERROR", message, action=f"{route.verb} {route.name}", stack_trace=trace)
            raise ApiError("INTERNAL", "Internal error encountered.") from error


def invalid(message: str) -> ApiError:
    """Return an INVALID_ARGUMENT error."""
    return ApiError("INVALID_ARGUMENT", message)


def _split(target: str) -> SplitResult:
    try:
        return urlsplit(target)
    except ValueError as error:
        raise invalid(f"Invalid request target: {target[:80]!r}") from error


def _compile(template: str) -> re.Pattern[str]:
    """Compile `/v2/{name=projects/*/queues/*}:pause` to a pattern with the group `name`; `*` is one path segment."""
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
    except (ValueError, RecursionError) as error:
        raise ApiError("INVALID_ARGUMENT", f"Invalid JSON payload received. {error}") from error


def enum_name(value: object) -> str:
    """Return an enum member as its name, for `json.dumps`."""
    if isinstance(value, enum.Enum):
        return value.name
    raise TypeError(f"{value!r} is not JSON")


def _enum_number(value: object) -> int:
    if isinstance(value, enum.Enum):
        return int(value.value)
    raise TypeError(f"{value!r} is not JSON")
