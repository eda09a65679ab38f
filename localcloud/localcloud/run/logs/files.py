"""Output files of tasks: one per attempt.

Processes write to the files directly, so nothing is lost when localcloud dies.
"""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Of longer output, only the end is returned.
MAX_TEXT_BYTES = 1024 * 1024

_FILE = re.compile(r"task(\d+)-attempt(\d+)\.log")


@dataclass(frozen=True, slots=True)
class LogFile:
    """The output file of an attempt."""

    task: int
    attempt: int
    path: Path

    def text(self) -> str:
        """Return the output so far, at most its last MAX_TEXT_BYTES."""
        with self.path.open("rb") as file:
            size_bytes = file.seek(0, 2)
            file.seek(max(0, size_bytes - MAX_TEXT_BYTES))
            return file.read().decode("utf-8", "replace")


class LogFiles:
    """The folder of all output files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, execution_id: str, task: int, attempt: int) -> Path:
        """Return the path of an attempt's output."""
        return self._folder / execution_id / f"task{task}-attempt{attempt}.log"

    def files(self, execution_id: str) -> Iterator[LogFile]:
        """Return the output files of an execution, sorted by task and attempt."""
        folder = self._folder / execution_id
        matches = [(match, path) for path in folder.glob("*.log") if (match := _FILE.fullmatch(path.name))]
        return iter(sorted((LogFile(int(match[1]), int(match[2]), path) for match, path in matches), key=_order))

    def delete(self, execution_id: str) -> None:
        """Delete the output files of an execution, if any."""
        shutil.rmtree(self._folder / execution_id, ignore_errors=True)


def _order(file: LogFile) -> tuple[int, int]:
    return file.task, file.attempt
