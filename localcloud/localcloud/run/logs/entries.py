"""Task output as Cloud Logging's entries, which `gcloud run jobs logs read` asks for by a filter. Pure but for reading.

Lines of log files flow in, LogEntry messages flow out: one a line. A line that is a JSON object in Cloud Logging's
structured form has its own `time` and `severity`; any other has the time of the file's last write, and DEFAULT. Of
Logging's query language only what gcloud itself writes is known: comparisons of a few fields, joined by AND.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from localcloud.rest.protojson import timestamp_text
from localcloud.rest.router import ApiError, JsonObject, invalid
from localcloud.run.logs.files import LogFile
from localcloud.run.resources import Execution

SEVERITIES = ("DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY")

_JOIN = re.compile(r"\s+AND\s+|\s*\n\s*", re.IGNORECASE)
_COMPARISON = re.compile(r'\s*([\w.]+(?:\."[^"]+")?)\s*(>=|<=|=|>|<)\s*"?([^"\s]*)"?\s*')
_EQUALITIES = {
    "resource.type",
    "resource.labels.job_name",
    "resource.labels.location",
    'labels."run.googleapis.com/execution_name"',
    'labels."run.googleapis.com/task_index"',
}


@dataclass(frozen=True, slots=True)
class Filter:
    """What entries must be: equal in these fields, at least so severe, from between two times (seconds since 1970)."""

    equal: dict[str, str]
    severity: int = 0
    since: float = float("-inf")
    until: float = float("inf")

    def wants_execution(self, execution: Execution) -> bool:
        """Say whether an execution may have such entries."""
        facts = {
            "resource.type": "cloud_run_job",
            "resource.labels.job_name": execution.job_id,
            "resource.labels.location": execution.place.location,
            'labels."run.googleapis.com/execution_name"': execution.execution_id,
        }
        return all(self.equal.get(name, fact) == fact for name, fact in facts.items())

    def wants_file(self, file: LogFile) -> bool:
        """Say whether an output may have such entries."""
        return self.equal.get('labels."run.googleapis.com/task_index"', str(file.task)) == str(file.task)

    def wants_line(self, at: float, severity: str) -> bool:
        """Say whether a line is such an entry."""
        return SEVERITIES.index(severity) >= self.severity and self.since <= at <= self.until


def read_filter(text: str) -> Filter:
    """Read a filter. Errors: ApiError, UNIMPLEMENTED for what only the real service understands."""
    equal: dict[str, str] = {}
    severity, since, until = 0, float("-inf"), float("inf")
    for clause in filter(str.strip, _JOIN.split(text)):
        comparison = _COMPARISON.fullmatch(clause)
        field, operator, value = comparison.groups() if comparison else ("", "", "")
        if field in _EQUALITIES and operator == "=":
            equal[field] = value
        elif field == "severity" and operator == ">=" and value.upper() in SEVERITIES:
            severity = SEVERITIES.index(value.upper())
        elif field == "timestamp" and operator in (">=", ">"):
            since = _moment(value)
        elif field == "timestamp" and operator in ("<=", "<"):
            until = _moment(value)
        else:
            raise ApiError("UNIMPLEMENTED", f"The filter {clause.strip()!r} is not supported by localcloud.")
    return Filter(equal, severity, since, until)


def entries(execution: Execution, file: LogFile, wanted: Filter) -> Iterator[tuple[float, JsonObject]]:
    """Return the entries of one output that are wanted, each with its time."""
    at = file.path.stat().st_mtime
    for number, line in enumerate(file.text().splitlines()):
        line_at, severity = _own_words(line)
        if wanted.wants_line(line_at or at, severity):
            yield line_at or at, _entry(execution, file, number, line, at=line_at or at, severity=severity)


def _entry(execution: Execution, file: LogFile, number: int, line: str, *, at: float, severity: str) -> JsonObject:
    project, location = execution.place.project, execution.place.location
    labels = {"project_id": project, "location": location, "job_name": execution.job_id}
    return {
        "insertId": f"{execution.execution_id}-{file.task}-{file.attempt}-{number}",
        "logName": f"projects/{project}/logs/run.googleapis.com%2Fstdout",
        "resource": {"type": "cloud_run_job", "labels": labels},
        "labels": {
            "run.googleapis.com/execution_name": execution.execution_id,
            "run.googleapis.com/task_index": str(file.task),
            "run.googleapis.com/task_attempt": str(file.attempt),
        },
        "timestamp": timestamp_text(at),
        "severity": severity,
        "textPayload": line,
    }


def _own_words(line: str) -> tuple[float | None, str]:
    """Return the time, None without one, and the severity that a structured line gives itself."""
    try:
        event: Any = json.loads(line) if line.startswith("{") else {}
    except ValueError:
        event = {}
    severity = str(event.get("severity", "")).upper()
    try:
        at = datetime.fromisoformat(str(event.get("time") or event.get("timestamp"))).timestamp()
    except ValueError:
        at = None
    return at, severity if severity in SEVERITIES else "DEFAULT"


def _moment(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError as error:
        raise invalid(f"Not a timestamp: {text!r}") from error
