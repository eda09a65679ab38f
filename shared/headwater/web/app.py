"""The HTTP shell: a request flows in, it is routed, checked and parsed; a handler's answer or a problem flows out.

Each function's `main.py` builds one `App` and hands it every request that functions-framework takes.
"""

import hashlib
import re
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import flask
import msgspec
from werkzeug.exceptions import MethodNotAllowed as WerkzeugMethodNotAllowed
from werkzeug.exceptions import NotFound as WerkzeugNotFound
from werkzeug.routing import Map, RequestRedirect, Rule

from headwater import errors, logs
from headwater.auth.authorize import Access, Auth
from headwater.auth.callers import Caller
from headwater.config import Settings
from headwater.database.transactions import Database

MAX_BODY_BYTES = 1_000_000
"""Bodies over this are refused before they are parsed; the largest honest one is a batch of 2,048 short texts."""


@dataclass(frozen=True)
class Reply:
    """An answer with a status or headers of its own; `body` is anything msgspec encodes, or None for no body.

    `etag` names the version of what is read; without one, the body's hash does.
    """

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    etag: str = ""


@dataclass(frozen=True)
class Call:
    """One request, checked: the caller (`caller`), with what (`path`, `args`, `body`), and the raw `request`."""

    request: flask.Request
    request_id: str
    path: Mapping[str, Any]
    args: Any
    body: Any
    caller_or_none: Caller | None

    @property
    def workspace_id(self) -> uuid.UUID:
        """The caller's workspace."""
        return self.caller.workspace_id

    @property
    def caller(self) -> Caller:
        """The caller; routes with access `public` or `google` have none."""
        if self.caller_or_none is None:
            raise errors.Unauthorized("This route needs a caller.")
        return self.caller_or_none

    def has_version(self, etag: str) -> bool:
        """Tell whether the caller has this version already, so that 304 is the answer."""
        return self.request.if_none_match.contains_weak(etag)


@dataclass(frozen=True)
class Route:
    """One thing that can be asked: method, path (werkzeug's rule syntax) and who answers it.

    `query` and `body` are the structs that the query string and the JSON body are decoded into, or None for none.
    `returns` is the struct that the OpenAPI page names for the success with `status`, `streams` stands for server-sent
    events. `any_scope` lets API keys in that are meant for other functions. Larger bodies than `max_body_bytes` are
    refused.
    """

    method: str
    path: str
    handle: Callable[[Call], Any]
    summary: str
    query: Any = None
    body: Any = None
    returns: Any = None
    streams: bool = False
    status: int = 200
    access: Access = "reader"
    any_scope: bool = False
    max_body_bytes: int = MAX_BODY_BYTES


class App:
    """Serve `routes`; call it with a flask request."""

    def __init__(self, service: str, settings: Settings, routes: Sequence[Route], database: Database) -> None:
        self.service = service
        self.settings = settings
        self.auth = Auth(settings, database, service)
        self.routes = [
            *routes,
            Route("GET", "/heartbeat", lambda _: {"status": "alive", "service": service}, "Alive", access="public"),
            Route("GET", "/ready", self._ready, "Database, schema and role are as they must be", access="public"),
        ]
        self._check_ready = database.check_ready
        self._map = Map([Rule(r.path, endpoint=r, methods=[r.method]) for r in self.routes], redirect_defaults=False)
        logs.configure(settings.log_level)

    def __call__(self, request: flask.Request) -> flask.Response:
        """Answer one request; whatever goes wrong before the first byte leaves as a problem."""
        started = time.monotonic()
        request_id = _request_id(request)
        logs.trace.set(_trace(request, self.settings.google_cloud_project))
        try:
            response = self._answer(request, request_id)
        except errors.HeadwaterError as error:
            response = problem_response(error, request_id)
            if response.status_code >= 500:
                logs.event("request.failed", severity=30, error=error, request_id=request_id)
        except Exception as error:  # noqa: BLE001 - the boundary: any other error is logged and answered with 500
            response = problem_response(error, request_id)
            logs.event("request.crashed", severity=40, error=error, request_id=request_id)
        response.headers["X-Request-Id"] = request_id
        self._allow_origin(request, response)
        if request.path != "/heartbeat":
            logs.event(
                "request",
                service=self.service,
                method=request.method,
                path=request.path,
                status=response.status_code,
                request_id=request_id,
                duration_ms=round((time.monotonic() - started) * 1000, 1),
            )
        return response

    def _ready(self, _: Call) -> dict[str, str]:
        self._check_ready()
        return {"status": "ready", "service": self.service}

    def _answer(self, request: flask.Request, request_id: str) -> flask.Response:
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            return flask.Response(status=204)
        route, path = self._match(request)
        caller = self.auth.check(route.access, request, any_scope=route.any_scope)
        args, body = _decode_query(request, route.query), _decode_body(request, route.body, route.max_body_bytes)
        call = Call(request, request_id, path, args, body, caller)
        return _respond(route.handle(call), route.status, request)

    def _match(self, request: flask.Request) -> tuple[Route, Mapping[str, Any]]:
        try:
            route, path = self._map.bind("").match(request.path, request.method)
        except WerkzeugMethodNotAllowed as error:
            allowed = sorted(error.valid_methods or [])
            message = f"{request.method} isn't possible on {request.path}; allowed: {', '.join(allowed)}."
            raise errors.MethodNotAllowed(message, allowed) from error
        except (WerkzeugNotFound, RequestRedirect) as error:
            raise errors.NotFound(f"Nothing is at {request.path}.") from error
        return route, path

    def _allow_origin(self, request: flask.Request, response: flask.Response) -> None:
        origin = request.headers.get("Origin")
        if not origin or origin not in self.settings.cors_origins:
            return
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = "X-Request-Id, ETag"
        response.headers.add("Vary", "Origin")
        if request.method == "OPTIONS":
            response.headers["Access-Control-Allow-Methods"] = "GET, POST, PUT, PATCH, DELETE"
            response.headers["Access-Control-Allow-Headers"] = (
                "Authorization, Content-Type, If-None-Match, Last-Event-ID, X-Workspace"
            )
            response.headers["Access-Control-Max-Age"] = "7200"


def once(build: Callable[[], App]) -> Callable[[], App]:
    """Have `build` run on the first request only, although the first requests come together on several threads."""
    building = threading.Lock()
    built = cache(build)

    def get() -> App:
        with building:
            return built()

    return get


def problem_response(error: BaseException, request_id: str) -> flask.Response:
    """Turn an error into an `application/problem+json` response."""
    described = errors.problem(error, request_id)
    response = flask.Response(
        msgspec.json.encode(described), status=described["status"], content_type="application/problem+json"
    )
    if isinstance(error, errors.MethodNotAllowed):
        response.headers["Allow"] = ", ".join(error.allowed)
    if isinstance(error, errors.Unauthorized):
        response.headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, errors.UpstreamError) and error.retry_after_s is not None:
        response.headers["Retry-After"] = str(max(1, round(error.retry_after_s)))
    return response


def _respond(answer: Any, status: int, request: flask.Request) -> flask.Response:
    if isinstance(answer, flask.Response):
        return answer
    reply = answer if isinstance(answer, Reply) else Reply(answer, status)
    if reply.body is None:
        response = flask.Response(status=reply.status, headers=dict(reply.headers))
        if reply.etag:
            response.set_etag(reply.etag)
        return response
    content = msgspec.json.encode(reply.body)
    response = flask.Response(content, reply.status, dict(reply.headers), content_type="application/json")
    if request.method == "GET" and reply.status == 200:
        response.set_etag(reply.etag or hashlib.sha256(content).hexdigest()[:32])
        response.headers.setdefault("Cache-Control", "private, no-cache")
        response.make_conditional(request.environ)
    return response


def _decode_query(request: flask.Request, kind: Any) -> Any:
    """Decode the query string as `kind`; 422 for values of another shape."""
    if kind is None:
        return None
    try:
        return msgspec.convert(request.args.to_dict(), kind, strict=False)
    except msgspec.ValidationError as error:
        raise errors.UnprocessableContent(f"The query doesn't fit: {error}.") from error


def _decode_body(request: flask.Request, kind: Any, max_bytes: int) -> Any:
    """Decode the JSON body as `kind`; 413, 400 for what isn't JSON, 422 for JSON of another shape."""
    if kind is None:
        return None
    if (request.content_length or 0) > max_bytes:
        raise errors.PayloadTooLarge(f"The body is {request.content_length} bytes; at most {max_bytes} are taken.")
    content = request.stream.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise errors.PayloadTooLarge(f"The body is over {max_bytes} bytes, which is the most that is taken.")
    if not content.strip():
        raise errors.BadRequest("The body is empty; a JSON object is expected.")
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.ValidationError as error:
        raise errors.UnprocessableContent(f"The body doesn't fit: {error}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise errors.BadRequest(f"The body isn't JSON: {error}.") from error


def _request_id(request: flask.Request) -> str:
    given = request.headers.get("X-Request-Id", "")
    return given if re.fullmatch(r"[A-Za-z0-9._-]{8,64}", given) else uuid.uuid4().hex


def _trace(request: flask.Request, project: str) -> str:
    """Name the trace as Cloud Logging wants it, from `X-Cloud-Trace-Context: TRACE/SPAN;o=1`, or make one."""
    trace_id = request.headers.get("X-Cloud-Trace-Context", "").partition("/")[0]
    known = re.fullmatch(r"[0-9a-f]{32}", trace_id)
    return f"projects/{project}/traces/{trace_id}" if known else logs.new_trace(project)
