"""The HTTP application: routing, authentication, decoding, responses and errors.

Each function's `main.py` builds an `App` and passes it the requests of functions-framework.
"""

import hashlib
import re
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import flask
import msgspec

from headwater import errors, logs, tracing
from headwater.auth.authorize import Access, Auth
from headwater.auth.callers import Caller, RequiredScope
from headwater.config import Settings, find_ignored_aliases
from headwater.database.transactions import Database
from headwater.web.decode import decode_body, decode_query
from headwater.web.limits import MAX_BODY_BYTES
from headwater.web.long_requests import LongRequests
from headwater.web.router import Router


@dataclass(frozen=True)
class Reply:
    """A response with its own status or headers; `body` is any value that msgspec encodes, or None for no body.

    `etag` is the version of the resource; by default the body's hash.
    """

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    etag: str = ""


@dataclass(frozen=True)
class Call:
    """A request after authentication and decoding: `path`, `args` (query) and `body` are decoded values."""

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
        """The caller; routes with access `public`, `signed`, `link` or `google` have none."""
        if self.caller_or_none is None:
            raise errors.Unauthorized("This route needs a caller.")
        return self.caller_or_none

    def is_wanted(self) -> bool:
        """Return False if the client has closed its connection."""
        sock = self.request.environ.get("gunicorn.socket")
        if sock is None:  # another server
            return True
        try:
            return bool(sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except BlockingIOError:
            return True
        except OSError:
            return False

    def has_version(self, etag: str) -> bool:
        """Return True if the caller has this version (`If-None-Match`), so that the response can be 304."""
        return self.request.if_none_match.contains_weak(etag)


@dataclass(frozen=True)
class Route:
    """A route: method, path (werkzeug's rule syntax), handler and a one-line summary for the API documentation.

    `query` and `body` are the structs to decode query string and JSON body into, None for none. `raw_body` are the
    media types of a body that the handler reads itself. `returns` is the struct of the response with `status`;
    `streams` marks server-sent events. `is_long` marks other requests that take long; they and streams have a limit of
    their own, so that they never keep out short requests. `others` are further responses that are no problem details:
    statuses and media types, "" for one without a body. `scope` is the one
    that a limited API key needs: the function's name if empty; `any` admits every key. The handler's name and docstring
    are the operation's id and description in the OpenAPI document.
    """

    method: str
    path: str
    handle: Callable[[Call], Any]
    summary: str
    query: Any = None
    body: Any = None
    raw_body: tuple[str, ...] = ()
    returns: Any = None
    streams: bool = False
    is_long: bool = False
    status: int = 200
    access: Access = "reader"
    scope: RequiredScope = ""
    max_body_bytes: int = MAX_BODY_BYTES
    others: tuple[tuple[int, str], ...] = ()


class LazyRoutes(msgspec.Struct, frozen=True):
    """Routes of which some are imported when a request first needs one of them. Iterating imports them all."""

    at_start: Sequence[Route]
    load_more: Callable[[], Sequence[Route]]

    def __iter__(self) -> Iterator[Route]:
        """Iterate over all routes."""
        yield from self.at_start
        yield from self.load_more()


class App:
    """A function's routes plus `/heartbeat`, `/ready` and `/self-test`; call it with a flask request.

    `self_test` does what the function does, on data of its own that it doesn't keep, and raises if that fails. The
    smoke test of a release requests it. On a laptop it requires the token: web pages and other users could run up a
    hosted model's bill.
    """

    def __init__(
        self,
        service: str,
        settings: Settings,
        routes: Sequence[Route] | LazyRoutes,
        database: Database,
        self_test: Callable[[], object] = lambda: None,
    ) -> None:
        self.service = service
        self.settings = settings
        self.auth = Auth(settings, database, service)
        self_test_access: Access = "reader" if settings.auth_mode == "local" else "public"
        lazy = routes if isinstance(routes, LazyRoutes) else LazyRoutes(routes, list)
        at_start = [
            *lazy.at_start,
            Route("GET", "/heartbeat", lambda _: {"status": "alive", "service": service}, "Alive", access="public"),
            Route("GET", "/ready", self._ready, "Database, schema and role are ready", access="public"),
            Route("GET", "/self-test", self._run_self_test, "The function works", access=self_test_access),
        ]
        self._router = Router(at_start, lazy.load_more)
        self._check_ready = database.check_ready
        self._self_test = self_test
        self._short_requests = threading.BoundedSemaphore(settings.threads)
        self._long_requests = LongRequests(settings.long_requests)
        name = settings.k_service or service
        logs.configure(settings.log_level, service=name, version=settings.k_revision, secrets=settings.secrets)
        for name in find_ignored_aliases():
            logs.event("settings.ignored", severity=30, setting=name)
        tracing.configure(settings, service)

    def __call__(self, request: flask.Request) -> flask.Response:
        """Handle a request; errors before the first byte become problem details."""
        started = time.monotonic()
        request_id = _request_id(request)
        logs.request_id.set(request_id)
        traceparent = request.headers.get("traceparent", "")
        logs.trace.set(_trace(request, traceparent, self.settings.google_cloud_project))
        span = _start_span(request, traceparent, request_id)
        try:
            response = self._handle(request, request_id, span)
        except errors.HeadwaterError as error:
            response = problem_response(error, request_id, path=request.path)
            if response.status_code >= 500:
                logs.event("request.failed", severity=30, error=error)
        except Exception as error:  # noqa: BLE001 - the boundary: any other error is logged and answered with 500
            response = problem_response(error, request_id, path=request.path)
            span.fail(type(error).__name__)
            logs.event("request.crashed", severity=40, error=error)
        response.headers["X-Request-Id"] = request_id
        self._allow_origin(request, response)
        if request.path != "/heartbeat":
            logs.event(
                "request",
                service=self.service,
                method=request.method,
                path=request.path,
                status=response.status_code,
                duration_ms=round((time.monotonic() - started) * 1000, 1),
            )
        _end_span(span, response)
        return response

    def _ready(self, _: Call) -> dict[str, str]:
        self._check_ready()
        return {"status": "ready", "service": self.service}

    def _run_self_test(self, _: Call) -> dict[str, str]:
        self._check_ready()
        self._self_test()
        return {"status": "passed", "service": self.service}

    def _handle(self, request: flask.Request, request_id: str, span: tracing.Span) -> flask.Response:
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            return flask.Response(status=204)
        route, path = self._router.match(request.path, request.method)
        span.rename(f"{route.method} {route.path}")
        span.set({"http.request.method": route.method, "http.route": route.path})
        if route.streams or route.is_long:
            return self._handle_long(route, self._decode(route, path, request, request_id))
        with nullcontext() if route.access == "public" else self._short_requests:
            call = self._decode(route, path, request, request_id)
            return _respond(route.handle(call), route.status, request)

    def _handle_long(self, route: Route, call: Call) -> flask.Response:
        """Handle a request in a slot that is free again when the response ends."""
        workspace_id = call.caller_or_none.workspace_id if call.caller_or_none else None
        release = self._long_requests.enter(workspace_id, "answers" if route.streams else "drains")
        try:
            response = _respond(route.handle(call), route.status, call.request)
        except BaseException:
            release()
            raise
        response.call_on_close(release)
        return response

    def _decode(self, route: Route, path: Mapping[str, Any], request: flask.Request, request_id: str) -> Call:
        caller = self.auth.check(route.access, request, scope=route.scope)
        args, body = decode_query(request, route.query), decode_body(request, route.body, route.max_body_bytes)
        return Call(request, request_id, path, args, body, caller)

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


def problem_response(error: BaseException, request_id: str, *, path: str = "") -> flask.Response:
    """Return an error as an `application/problem+json` response.

    Below `/v1/` it has a member `error`, too, in which clients of OpenAI's API look for the message. `/ready` and
    `/self-test`, which the Worker doesn't forward, tell the operator the whole message.
    """
    problem = errors.problem(error, request_id)
    if path in ("/ready", "/self-test") and isinstance(error, errors.HeadwaterError):
        problem["detail"] = error.message
    if path.startswith("/v1/"):
        problem["error"] = {"message": problem["detail"], "type": problem["title"], "code": problem["status"]}
    response = flask.Response(
        msgspec.json.encode(problem), status=problem["status"], content_type="application/problem+json"
    )
    if isinstance(error, errors.MethodNotAllowed):
        response.headers["Allow"] = ", ".join(error.allowed)
    if isinstance(error, errors.Unauthorized):
        response.headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, errors.UpstreamError | errors.ServerBusy) and error.retry_after_s is not None:
        response.headers["Retry-After"] = str(max(1, round(error.retry_after_s)))
    return response


def _respond(answer: Any, status: int, request: flask.Request) -> flask.Response:
    if isinstance(answer, flask.Response):
        return answer
    reply = answer if isinstance(answer, Reply) else Reply(answer, status)
    if reply.body is None:
        response = flask.Response(status=reply.status, headers=dict(reply.headers))
        response.headers.remove("Content-Type")
        if reply.etag:
            response.set_etag(reply.etag)
        return response
    content = msgspec.json.encode(reply.body)
    response = flask.Response(content, reply.status, dict(reply.headers), content_type="application/json")
    if request.method in ("GET", "HEAD") and reply.status == 200:
        response.set_etag(reply.etag or hashlib.sha256(content).hexdigest()[:32])
        response.headers.setdefault("Cache-Control", "private, no-cache")
        response.make_conditional(request.environ)
    return response


def _request_id(request: flask.Request) -> str:
    given = request.headers.get("X-Request-Id", "")
    return given if re.fullmatch(r"[A-Za-z0-9._-]{8,64}", given) else uuid.uuid4().hex


def _start_span(request: flask.Request, traceparent: str, request_id: str) -> tracing.Span:
    """Start a request's span. Heartbeats and preflight requests have none."""
    if request.path == "/heartbeat" or request.method == "OPTIONS":
        tracing.no_request()
        return tracing.Span()
    span = tracing.start_request("request", traceparent)
    span.set({"headwater.request_id": request_id})
    return span


def _end_span(span: tracing.Span, response: flask.Response) -> None:
    """End a request's span and export it: before the response, or before the end of a streamed response.

    After the response, Cloud Run may suspend the instance.
    """
    span.set({"http.response.status_code": response.status_code})
    if response.status_code >= 500:
        span.fail(str(response.status_code))
    if not span.is_recorded:
        return
    if not response.is_streamed:
        span.end()
        tracing.flush()
        return
    response.response = _end_after(response.response, span)
    response.call_on_close(span.end)  # if the client goes before the first byte


def _end_after(body: Iterable[Any], span: tracing.Span) -> Iterator[Any]:
    try:
        yield from body
    finally:
        span.end()
        tracing.flush()


def _trace(request: flask.Request, traceparent: str, project: str) -> str:
    """Return the request's trace in Cloud Logging's form: of `traceparent`, of Cloud Run's own header, or a new one.

    Cloud Run's header is `X-Cloud-Trace-Context: TRACE/SPAN;o=1`.
    """
    cloud_run = request.headers.get("X-Cloud-Trace-Context", "").partition("/")[0]
    trace_id = tracing.trace_id_of(traceparent) or cloud_run
    is_valid = re.fullmatch(r"[0-9a-f]{32}", trace_id)
    return f"projects/{project}/traces/{trace_id}" if is_valid else logs.new_trace(project)
