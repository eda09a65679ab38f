"""Task output as LogEntry messages of Cloud Logging, one per line.

A line that is a JSON object in Cloud Logging's structured format has its own `time` and `severity`. Other lines have
the time of the file's last write and the severity DEFAULT.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from localcloud.rest.protojson import timestamp_text
from localcloud.rest.router import JsonObject
from localcloud.run.logs.files import LogFile
from localcloud.run.logs.filters import SEVERITIES, Filter
from localcloud.run.resources import Execution


def read_entries(execution: Execution, file: LogFile, log_filter: Filter) -> Iterator[tuple[float, JsonObject]]:
    """Yield the matching entries of an output file, each with its time."""
    file_time = file.path.stat().st_mtime
    for number, line in enumerate(file.text().splitlines()):
        line_time, severity = _time_and_severity(line)
        time = line_time or file_time
        if log_filter.matches_line(time, severity):
            yield time, _entry(execution, file, number, line, time=time, severity=severity)


def _entry(execution: Execution, file: LogFile, number: int, line: str, *, time: float, severity: str) -> JsonObject:
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
        "timestamp": timestamp_text(time),
        "severity": severity,
        "textPayload": line,
    }


def _time_and_severity(line: str) -> tuple[float | None, str]:
    """Return the time (None without one) and severity of a line in structured format."""
    try:
        event: Any = json.loads(line) if line.startswith("{") else {}
    except ValueError:
        event = {}
    severity = str(event.get("severity", "")).upper()
    try:
        time = datetime.fromisoformat(str(event.get("time") or event.get("timestamp"))).timestamp()
    except ValueError:
        time = None
    return time, severity if severity in SEVERITIES else "DEFAULT"
