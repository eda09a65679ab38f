"""The logs of the local stack: a file per service in the data folder, and the terminal.

A file gets every line of its service, with the time. The terminal gets what a developer has to know: the supervisor's
own messages, warnings, errors and lines that are not log entries, such as a traceback; all lines with `--verbose`.
"""

import json
import logging
import os
import re
import sys
from collections.abc import Iterable
from datetime import datetime
from itertools import cycle
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Protocol

from headwater.redaction import escape_json, escape_line

MAX_FILE_BYTES = 5_000_000
OLD_FILES = 1

_ROUTINE_SEVERITIES = {"DEFAULT", "DEBUG", "INFO", "NOTICE"}
_ROUTINE_LINE = re.compile(r"\[[^]]+\] \[\d+\] \[(?:DEBUG|INFO)\] |\[edge:info\] ")  # gunicorn's, Miniflare's
_NOT_SHOWN = {"message", "severity", "logger", "action", "time", "timestamp", "stack_trace"}
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")  # by which programs colour their output
_COLOURS = cycle((36, 32, 33, 35, 34, 96, 92, 95))


class ServiceLogs(Protocol):
    """Where the lines of services go."""

    def report(self, name: str, message: str) -> None:
        """Log a message of the supervisor about a service."""

    def add_output(self, name: str, line: str) -> None:
        """Log a line that a service printed."""


class Logs:
    """The log files of services in one folder, and their lines on the terminal."""

    def __init__(self, folder: Path, names: Iterable[str], *, verbose: bool, max_bytes: int = MAX_FILE_BYTES) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._verbose = verbose
        self._files = {name: _rotating_file(path_of(folder, name), max_bytes) for name in names}
        self._width = max(map(len, self._files))
        coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self._colours = {name: next(_COLOURS) for name in self._files} if coloured else {}

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()

    def report(self, name: str, message: str) -> None:
        """Print a message of the supervisor about a service, and add it to the service's file."""
        self._write(name, f"{_now()} {message}")
        self._print(name, message)

    def add_output(self, name: str, line: str) -> None:
        """Add a line that a service printed to its file, and print it unless it is routine."""
        entry = parse_entry(line)
        self._write(
            name, f"{_now()} {plain(line)}" if entry is None else escape_json(f'{{"time": "{_now()}", {line[1:]}')
        )
        if self._verbose or not is_routine(line, entry):
            self._print(name, plain(line) if entry is None else readable(entry))

    def _write(self, name: str, text: str) -> None:
        self._files[name].emit(logging.makeLogRecord({"msg": text}))

    def _print(self, name: str, text: str) -> None:
        prefix = f"{name:<{self._width}} |"
        if name in self._colours:
            prefix = f"\x1b[{self._colours[name]}m{prefix}\x1b[0m"
        print(f"{prefix} {text}", flush=True)


def path_of(folder: Path, name: str) -> Path:
    """Return the path of a service's log file."""
    return folder / f"{name}.log"


def parse_entry(line: str) -> dict[str, Any] | None:
    """Return the fields of a JSON log entry, None for any other line."""
    try:
        entry = json.loads(line) if line.startswith("{") else None
    except ValueError:
        return None
    return entry if isinstance(entry, dict) and "message" in entry else None


def is_routine(line: str, entry: dict[str, Any] | None) -> bool:
    """Return whether a developer can do without a line: an entry below WARNING, or a server's start message."""
    if entry is None:
        return not line.strip() or _ROUTINE_LINE.match(line) is not None
    return str(entry.get("severity", "DEFAULT")) in _ROUTINE_SEVERITIES


def plain(line: str) -> str:
    """Return a line without colours and with other control characters escaped: it may quote a server."""
    return escape_line(_COLOUR.sub("", line).expandtabs())


def readable(entry: dict[str, Any]) -> str:
    """Format a log entry for a terminal: severity if above INFO, message, fields, and the trace of an error.

    Control characters are escaped.
    """
    severity = str(entry.get("severity", "INFO"))
    fields = [f"{name}={value}" for name, value in entry.items() if name not in _NOT_SHOWN and "." not in name]
    words = [*([] if severity == "INFO" else [severity]), str(entry["message"]), *fields]
    trace = str(entry.get("stack_trace", "")).splitlines() if severity in {"ERROR", "CRITICAL"} else []
    return "\n    ".join(escape_line(line) for line in [" ".join(words), *trace])


def _rotating_file(path: Path, max_bytes: int) -> RotatingFileHandler:
    return RotatingFileHandler(path, maxBytes=max_bytes, backupCount=OLD_FILES, encoding="utf-8")


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="milliseconds")
