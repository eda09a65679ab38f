"""What tasks wrote: one file an attempt, found again by execution, task and attempt.

`execute` has the paths from here and processes write to them directly, so that nothing is lost when localcloud dies;
the routes are localcloud's own, and those of Cloud Logging that `gcloud run jobs logs read` asks.
"""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# The end of a longer output is what is asked for.
MAX_TEXT_BYTES = 1024 * 1024

_FILE = re.compile(r"task(\d+)-attempt(\d+)\.log")


@dataclass(frozen=True, slots=True)
class LogFile:
    """The output of one attempt."""

    task: int
    attempt: int
    path: Path

    def text(self) -> str:
        """Return what was written so far, of a long output the end."""
        with self.path.open("rb") as file:
            size_bytes = file.seek(0, 2)
            file.seek(max(0, size_bytes - MAX_TEXT_BYTES))
            return file.read().decode("utf-8", "replace")


class LogFiles:
    """The folder of all outputs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, execution_id: str, task: int, attempt: int) -> Path:
        """Return where an attempt writes to."""
        return self._folder / execution_id / f"task{task}-attempt{attempt}.log"

    def files(self, execution_id: str) -> Iterator[LogFile]:
        """Return the outputs of an execution that exists, by task and attempt."""
        folder = self._folder / execution_id
        found = [(match, path) for path in folder.glob("*.log") if (match := _FILE.fullmatch(path.name))]
        return iter(sorted((LogFile(int(match[1]), int(match[2]), path) for match, path in found), key=_order))

    def delete(self, execution_id: str) -> None:
        """Delete the outputs of an execution, if it has any."""
        shutil.rmtree(self._folder / execution_id, ignore_errors=True)


def _order(file: LogFile) -> tuple[int, int]:
    return file.task, file.attempt
