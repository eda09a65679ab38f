"""Filters of ListLogEntries: the part of Cloud Logging's query language that gcloud writes. Pure.

Supported are comparisons of a few fields, joined by AND.
"""

import re
from dataclasses import dataclass
from datetime import datetime

from localcloud.rest.router import ApiError, invalid
from localcloud.run.logs.files import LogFile
from localcloud.run.resources import Execution

SEVERITIES = ("DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY")

_AND = re.compile(r"(?<!\s)\s++AND\s++", re.IGNORECASE)
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
    """Conditions on entries: equal fields, a minimum severity, and a time range (seconds since 1970)."""

    equal: dict[str, str]
    severity: int = 0
    since: float = float("-inf")
    until: float = float("inf")

    def matches_execution(self, execution: Execution) -> bool:
        """Return False if no entry of an execution can match."""
        fields = {
            "resource.type": "cloud_run_job",
            "resource.labels.job_name": execution.job_id,
            "resource.labels.location": execution.place.location,
            'labels."run.googleapis.com/execution_name"': execution.execution_id,
        }
        return all(self.equal.get(name, value) == value for name, value in fields.items())

    def matches_file(self, file: LogFile) -> bool:
        """Return False if no entry of an output file can match."""
        return self.equal.get('labels."run.googleapis.com/task_index"', str(file.task)) == str(file.task)

    def matches_line(self, time: float, severity: str) -> bool:
        """Return True if a line with this time and severity matches."""
        return SEVERITIES.index(severity) >= self.severity and self.since <= time <= self.until


def read_filter(text: str) -> Filter:
    """Parse a filter. Errors: ApiError, with UNIMPLEMENTED for unsupported parts of the query language."""
    equal: dict[str, str] = {}
    severity, since, until = 0, float("-inf"), float("inf")
    clauses = (clause for part in _AND.split(text) for clause in part.split("\n"))
    for clause in filter(str.strip, clauses):
        comparison = _COMPARISON.fullmatch(clause)
        field, operator, value = comparison.groups() if comparison else ("", "", "")
        if field in _EQUALITIES and operator == "=":
            equal[field] = value
        elif field == "severity" and operator == ">=" and value.upper() in SEVERITIES:
            severity = SEVERITIES.index(value.upper())
        elif field == "timestamp" and operator in (">=", ">"):
            since = _timestamp(value)
        elif field == "timestamp" and operator in ("<=", "<"):
            until = _timestamp(value)
        else:
            raise ApiError("UNIMPLEMENTED", f"The filter {clause.strip()!r} is not supported by localcloud.")
    return Filter(equal, severity, since, until)


def _timestamp(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError as error:
        raise invalid(f"Invalid timestamp: {text!r}") from error
