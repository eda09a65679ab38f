"""Structured logging: one JSON line per event, in Cloud Logging's format.

Never log documents, prompts or tokens. Source of the field names: Cloud Logging, "Structured logging".
"""

import json
import logging
import sys
import traceback
import uuid
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from typing import Any, TextIO

from headwater.redaction import Redactor, escape_json, redact

trace: ContextVar[str] = ContextVar("trace", default="")
"""`projects/P/traces/T` of the current request or job; empty outside of one."""

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the current request; empty outside of one."""


_REPORTED = "type.googleapis.com/google.devtools.clouderrorreporting.v1beta1.ReportedErrorEvent"
"""Marks an entry for Error Reporting. Source: Error Reporting, "Format errors in logs"."""

_service: dict[str, str] = {"service": "headwater"}
"""The service and the version that Error Reporting groups errors by."""


def new_trace(project: str) -> str:
    """Return a new trace, for a request without one or a job; it groups the log entries."""
    return f"projects/{project}/traces/{uuid.uuid4().hex}"


class _CloudFormatter(logging.Formatter):
    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__()
        self._redactor = Redactor(secrets)

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {"severity": record.levelname, "message": record.getMessage(), "logger": record.name}
        entry |= getattr(record, "fields", {})
        if request_id.get():
            entry["request_id"] = request_id.get()
        if trace.get():
            entry["logging.googleapis.com/trace"] = trace.get()
        if record.exc_info and record.exc_info[1]:
            entry["stack_trace"] = "".join(traceback.format_exception(record.exc_info[1]))
            if record.levelno >= logging.ERROR:
                entry |= {"@type": _REPORTED, "serviceContext": _service}
        return escape_json(json.dumps(self._clean(entry), ensure_ascii=False))

    def _clean(self, value: object) -> object:
        """Return a value for JSON, with secrets removed from its texts."""
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, Mapping):
            return {str(name): self._clean(part) for name, part in value.items()}
        if isinstance(value, list | tuple):
            return [self._clean(part) for part in value]
        return self._redactor(redact(str(value)))


def configure(
    level: str = "INFO",
    stream: TextIO | None = None,
    *,
    service: str = "headwater",
    version: str = "",
    secrets: Iterable[str] = (),
) -> None:
    """Write records to `stream` as JSON lines, by default to stdout, without `secrets`. Idempotent.

    Errors of severity ERROR are marked for Error Reporting, as errors of this service and version. Libraries log
    warnings and errors only: at lower levels some log requests, with headers and texts.
    """
    _service.clear()
    _service.update({"service": service, **({"version": version} if version else {})})
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(_CloudFormatter(secrets))
    logging.getLogger().handlers[:] = [handler]
    logging.getLogger().setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level]))
    logging.getLogger("headwater").setLevel(level)


def event(action: str, *, severity: int = logging.INFO, error: BaseException | None = None, **fields: Any) -> None:
    """Log an event: `action` names it; ids, counts and `duration_ms` are fields. `error_type` is an error's class."""
    if error:
        fields["error_type"] = type(error).__name__
    record = {"action": action, **{name: value for name, value in fields.items() if value is not None}}
    message = action + (f": {error}" if error else "")
    logging.getLogger("headwater").log(severity, message, exc_info=error, extra={"fields": record})
