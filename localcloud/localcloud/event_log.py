"""One JSON line an event on stdout, in Cloud Logging's shape; whoever started the process reads them."""

import json
import os
import sys
from datetime import UTC, datetime


def emit(severity: str, message: str, **fields: object) -> None:
    """Write one event, without fields that are None; a reader that has gone is no error of what is being reported."""
    known = {name: value for name, value in fields.items() if value is not None}
    event = {"severity": severity, "message": message, "time": datetime.now(UTC).isoformat(), **known}
    try:
        print(json.dumps(event, default=str), flush=True)
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - stays open for whatever is printed later
