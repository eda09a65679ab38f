"""Logs: events flow in, one JSON line each flows out in Cloud Logging's shape.

Never log a page's text, a prompt or a token. Source of the field names: Cloud Logging, "Structured logging".
"""

import json
import logging
import sys
import traceback
import uuid
from contextvars import ContextVar
from typing import Any

trace: ContextVar[str] = ContextVar("trace", default="")
"""`projects/P/traces/T` of the request or job being served; empty outside of one."""


def new_trace(project: str) -> str:
    """Make a trace for what came without one, so that all that is logged of it can be found together."""
    return f"projects/{project}/traces/{uuid.uuid4().hex}"


class _CloudFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {"severity": record.levelname, "message": record.getMessage(), "logger": record.name}
        entry |= getattr(record, "fields", {})
        if trace.get():
            entry["logging.googleapis.com/trace"] = trace.get()
        if record.exc_info and record.exc_info[1]:
            entry["stack_trace"] = "".join(traceback.format_exception(record.exc_info[1]))
        return json.dumps(entry, ensure_ascii=False, default=str)


def configure(level: str = "INFO") -> None:
    """Send every logger's records to stdout as JSON lines; safe to call more than once."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_CloudFormatter())
    logging.getLogger().handlers[:] = [handler]
    logging.getLogger().setLevel(level)


def event(action: str, *, severity: int = logging.INFO, error: BaseException | None = None, **fields: Any) -> None:
    """Log one event: what was done (`action`), with ids, counts and `duration_ms` as fields."""
    record = {"action": action, **{name: value for name, value in fields.items() if value is not None}}
    message = action + (f": {error}" if error else "")
    logging.getLogger("headwater").log(severity, message, exc_info=error, extra={"fields": record})
