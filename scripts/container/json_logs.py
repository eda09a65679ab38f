"""The logs of the one container: one stream of JSON lines on standard output, each with the name of its process."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from headwater.redaction import escape_json
from scripts.local.logs import is_routine, parse_entry, plain


class JsonLogs:
    """Writes a JSON object per line: entries of our services as they are, other lines as the `message` of an entry."""

    def report(self, name: str, message: str) -> None:
        """Log a message of the supervisor about a service."""
        _print(name, {"severity": "NOTICE", "message": message})

    def fail(self, name: str, message: str) -> None:
        """Log why the container ends."""
        _print(name, {"severity": "ERROR", "message": message})

    def add_output(self, name: str, line: str) -> None:
        """Log a line that a service printed."""
        entry = parse_entry(line)
        if entry is not None:
            _print(name, entry)
        elif line.strip():
            _print(name, {"severity": "INFO" if is_routine(line, None) else "DEFAULT", "message": plain(line)})


def _print(name: str, entry: Mapping[str, object]) -> None:
    time = datetime.now(UTC).isoformat(timespec="milliseconds")
    print(escape_json(json.dumps({"time": time, **entry, "process": name}, ensure_ascii=False)), flush=True)
