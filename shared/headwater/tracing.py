"""OpenTelemetry traces: spans of requests, steps and calls of models, exported over OTLP/HTTP. Off by default.

Without `OTEL_EXPORTER_OTLP_ENDPOINT` nothing of OpenTelemetry is imported, and spans are no-ops. Attributes are names,
ids and counts: never texts, SQL values, query strings or secrets. Of an error, a span has the class alone.
"""

import logging
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from headwater import logs
from headwater.config import Settings

if TYPE_CHECKING:
    from google.auth.transport.requests import AuthorizedSession
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

T = TypeVar("T")
Kind = Literal["internal", "server", "client", "producer"]
Attributes = Mapping[str, str | int]

FLUSH_S = 1.0
"""Longest wait for the export at the end of a request. Cloud Run suspends an instance that has no request."""

_GOOGLE_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})", re.ASCII)

_tracing: "Tracing | None" = None
_current: ContextVar["Span | None"] = ContextVar("span", default=None)


class Span:
    """A piece of work with a name, a duration and attributes. A no-op if traces are off."""

    def __init__(self, span: Any = None) -> None:
        self._span = span

    def set(self, attributes: Attributes) -> None:
        """Set attributes, named by OpenTelemetry's semantic conventions where these have a name."""
        if self._span:
            self._span.set_attributes(attributes)

    def rename(self, name: str) -> None:
        """Change the name, once more is known."""
        if self._span:
            self._span.update_name(name)

    def add_event(self, name: str) -> None:
        """Add an event with the time of now."""
        if self._span:
            self._span.add_event(name)

    def fail(self, kind: str) -> None:
        """Mark the work as failed; `kind` is the class of the error or a status."""
        if self._span:
            from opentelemetry.trace import StatusCode

            self._span.set_attribute("error.type", kind)
            self._span.set_status(StatusCode.ERROR)

    def end(self) -> None:
        """End the span. Ending it again has no effect."""
        if self.is_recorded:
            self._span.end()

    @property
    def is_recorded(self) -> bool:
        """Whether the span will be exported: traces are on, it is sampled, and it has not ended."""
        return self._span is not None and self._span.is_recording()

    @property
    def traceparent(self) -> str:
        """The value of the header that makes another service's span a child of this one; "" if traces are off."""
        if not self._span:
            return ""
        context = self._span.get_span_context()
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


_NO_SPAN = Span()
_NONE: Attributes = {}


def configure(settings: Settings, service: str) -> None:
    """Export the spans of this process, if the settings say so. Call it after a fork; later calls have no effect."""
    global _tracing  # noqa: PLW0603 - one for the process, like logging
    if not settings.traces_are_on or _tracing is not None:
        return
    try:
        _tracing = Tracing(settings, service)
    except Exception as error:  # noqa: BLE001 - the SDK reads variables of its own; the function works without traces
        logs.event("traces.not_started", severity=40, error=error)


def trace_id_of(traceparent: str) -> str:
    """Return the trace id of a `traceparent` header, "" if it is not a valid one of version 00 (W3C Trace Context)."""
    match = _TRACEPARENT.fullmatch(traceparent)
    return match[1] if match else ""


def start_request(name: str, traceparent: str) -> Span:
    """Start the span of a request and make it the thread's current one.

    It continues the trace of a valid `traceparent`, else that of the log's entries.
    """
    span = _tracing.start(name, "server", None, traceparent) if _tracing else _NO_SPAN
    _current.set(span)
    return span


def no_request() -> None:
    """Make no span the current one: the thread's next work is not traced."""
    _current.set(None)


@contextmanager
def span(name: str, attributes: Attributes = _NONE, kind: Kind = "internal") -> Iterator[None]:
    """Trace the work of the `with` block, as a child of the current span. Without one, nothing is traced.

    Don't yield inside the block: the span is the current one of the thread. A generator uses `trace_pieces`.
    """
    child = _start_child(name, kind, attributes)
    if child is _NO_SPAN:
        yield
        return
    parent = _current.get()
    _current.set(child)
    with _ending(child):
        try:
            yield
        finally:
            _current.set(parent)


def embedding_span(model: str, texts: int) -> AbstractContextManager[None]:
    """Trace a call of an embedding model."""
    names = {"gen_ai.operation.name": "embeddings", "gen_ai.request.model": model}
    return span(f"embeddings {model}", {**names, "headwater.texts": texts}, "client")


def database_span(name: str) -> AbstractContextManager[None]:
    """Trace a transaction."""
    return span(name, {"db.system.name": "postgresql"}, "client")


def fail_current(error: BaseException) -> None:
    """Mark the current span as failed."""
    if current := _current.get():
        current.fail(type(error).__name__)


def trace_pieces(pieces: Iterable[T], model: str) -> Iterator[T]:
    """Yield the pieces of a chat model's answer, and trace the time until the last."""
    names = {"gen_ai.operation.name": "chat", "gen_ai.request.model": model}
    child = _start_child(f"chat {model}", "client", names)
    with _ending(child):
        for n, piece in enumerate(pieces):
            if not n:
                child.add_event("first token")
            yield piece


@contextmanager
def root_span(name: str) -> Iterator[None]:
    """Trace a process, such as the job. Exports what is left at its end."""
    root = start_request(name, "")
    try:
        with _ending(root):
            yield
    finally:
        flush()


def current_traceparent() -> str:
    """Return the `traceparent` for a request to another service; "" if nothing is traced."""
    current = _current.get()
    return current.traceparent if current else ""


def flush() -> None:
    """Export the ended spans. Waits for `FLUSH_S` at most, and not at all for a collector that failed last."""
    if _tracing:
        _tracing.flush(FLUSH_S)


def _start_child(name: str, kind: Kind, attributes: Attributes) -> Span:
    parent = _current.get()
    if _tracing is None or parent is None:
        return _NO_SPAN
    child = _tracing.start(name, kind, parent)
    child.set(attributes)
    return child


@contextmanager
def _ending(span: Span) -> Iterator[None]:
    """End a span, as failed if the block raises an error. A closed generator is none."""
    try:
        yield
    except Exception as error:
        span.fail(type(error).__name__)
        raise
    finally:
        span.end()


class Tracing:
    """OpenTelemetry's SDK, and the thread that flushes it.

    The SDK's own `force_flush` ignores its time limit, so a thread calls it and requests wait for the thread.
    """

    def __init__(self, settings: Settings, service: str) -> None:
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        self._failure = _LastMessage()
        sdk_log = logging.getLogger("opentelemetry")
        sdk_log.handlers[:], sdk_log.propagate = [self._failure], False
        session, project = _google_session() if settings.traces_google_credentials else (None, "")
        self._provider = _provider(settings, service, project)
        self._processor = BatchSpanProcessor(_watched(self._on_export, settings.otel_exporter_otlp_endpoint, session))
        self._provider.add_span_processor(self._processor)
        self._tracer = self._provider.get_tracer("headwater")
        self._is_failing = False
        self._is_late = False
        self._asked = self._done = 0
        self._changed = threading.Condition()
        threading.Thread(target=self._flush_when_asked, name="traces", daemon=True).start()

    def start(self, name: str, kind: Kind, parent: Span | None, traceparent: str = "") -> Span:
        """Start a span below `parent`, or below the span of another service; without either it begins a trace."""
        from opentelemetry import trace
        from opentelemetry.context import Context

        context = Context()
        if parent:
            context = trace.set_span_in_context(parent._span, context)
        elif match := _TRACEPARENT.fullmatch(traceparent):
            trace_id, span_id, flags = (int(part, 16) for part in match.groups())
            remote = trace.SpanContext(trace_id, span_id, is_remote=True, trace_flags=trace.TraceFlags(flags & 1))
            context = trace.set_span_in_context(trace.NonRecordingSpan(remote), context)
        return Span(self._tracer.start_span(name, context, trace.SpanKind[kind.upper()], record_exception=False))

    def flush(self, timeout_s: float) -> None:
        """Ask the thread to export, and wait unless the collector failed or was too slow last."""
        with self._changed:
            self._asked += 1
            this = self._asked
            self._changed.notify_all()
            if not (self._is_failing or self._is_late):
                self._is_late = not self._changed.wait_for(lambda: self._done >= this or self._is_failing, timeout_s)

    def _flush_when_asked(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._asked > self._done)
                asked = self._asked
            self._processor.force_flush()
            with self._changed:
                self._done, self._is_late = asked, False
                self._changed.notify_all()

    def _on_export(self, *, succeeded: bool) -> None:
        with self._changed:
            is_new, self._is_failing = not succeeded and not self._is_failing, not succeeded
            self._changed.notify_all()
        if is_new:
            logs.event("traces.not_exported", severity=30, reason=self._failure.text)


def _google_session() -> "tuple[AuthorizedSession, str]":
    """Return a session that sends an access token of Google's default credentials and renews it, and their project."""
    import google.auth
    from google.auth.transport.requests import AuthorizedSession

    credentials, project = google.auth.default(scopes=[_GOOGLE_SCOPE])
    return AuthorizedSession(credentials), project or ""  # type: ignore[no-untyped-call]


def _provider(settings: Settings, service: str, project: str) -> "TracerProvider":
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class LogTraceIds(RandomIdGenerator):
        """A trace that begins here has the id of the log's trace."""

        def generate_trace_id(self) -> int:
            with suppress(ValueError):
                return int(logs.trace.get().rpartition("/")[2], 16)
            return super().generate_trace_id()

    names = {"service.name": settings.k_service or service, "service.version": settings.k_revision}
    names |= {"gcp.project_id": project}  # which Google's endpoint requires
    resource = Resource.create({name: value for name, value in names.items() if value})
    return TracerProvider(resource=resource, id_generator=LogTraceIds(), shutdown_on_exit=False)


def _watched(on_export: Callable[..., None], endpoint: str, session: "AuthorizedSession | None") -> "SpanExporter":
    """Return an exporter that calls `on_export` after each batch."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import SpanExportResult

    class Exporter(OTLPSpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            try:
                result = super().export(spans)
            except Exception:
                on_export(succeeded=False)
                raise
            on_export(succeeded=result is SpanExportResult.SUCCESS)
            return result

    return Exporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", session=session)


class _LastMessage(logging.Handler):
    """Keeps the SDK's last warning. The SDK logs every retry; we log the first failure."""

    text = ""

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            self.text = record.getMessage()[:300]
