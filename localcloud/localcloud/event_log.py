"""Log events as JSON lines on stdout, in Cloud Logging's structured format."""

import json
import os
import sys
from datetime import UTC, datetime


def emit(severity: str, message: str, **fields: object) -> None:
    """Write one event. Fields that are None are left out. A closed stdout is not an error."""
    present = {name: value for name, value in fields.items() if value is not None}
    event = {"severity": severity, "message": message, "time": datetime.now(UTC).isoformat(), **present}
    try:
        print(json.dumps(event, default=str), flush=True)
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - later events are written to it
