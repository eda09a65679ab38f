"""Build gcloud, wrangler and node command lines as values: `Command`, `gcloud`. Pure.

A secret is never an argument: it goes in through stdin and comes out through stdout, under a name.
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_SEPARATORS = ",|;!@:~"


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command to print or to run. Commands with the same `target` run in order; others may run concurrently."""

    program: str
    arguments: tuple[str, ...]
    target: str
    stdin: str = ""
    """Name of the value written to the command's stdin."""

    stdout: str = ""
    """Name under which the command's output is stored, for later commands."""

    placeholder: str = ""
    """Name of a public value that replaces this word in the arguments."""

    show: str = ""
    """Name of a value to show to the user, once, after the command succeeds."""

    minutes: str = ""
    """Expected duration of a slow command, such as `1 to 2`."""

    undo: tuple["Command", ...] = ()
    """Commands that are run if this one fails or is interrupted."""

    def line(self) -> str:
        """Format the command for a shell; a comment names what it reads from stdin."""
        comment = f"  # stdin: {self.stdin}" if self.stdin else ""
        return shlex.join((self.program, *self.arguments)) + comment


def gcloud(*words: str, target: str, **flags: str | int | bool | None) -> Command:
    """Build a gcloud command from words and flags.

    A flag that is None is left out; True and False become `--flag` and `--no-flag`. The fields of `Command` (`stdin`,
    `stdout`, `placeholder`, `show`, `minutes`) may be among the flags.
    """
    names = ("stdin", "stdout", "placeholder", "show", "minutes")
    fields: dict[str, Any] = {name: str(flags.pop(name)) for name in names if name in flags}
    options = [_flag(name.replace("_", "-"), value) for name, value in flags.items() if value is not None]
    return Command(program="gcloud", arguments=(*words, *options), target=target, **fields)


def _flag(name: str, value: str | int | bool) -> str:
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no-{name}"
    return f"--{name}={value}"


def pairs(values: Mapping[str, str]) -> str:
    """Format a mapping for gcloud: `A=1,B=2`, or `^|^A=1,2|B=3` when a value contains a comma.

    Source: `gcloud topic escaping`. Raises ValueError when the values contain every separator.
    """
    texts = [f"{name}={value}" for name, value in values.items()]
    for separator in _SEPARATORS:
        if not any(separator in text for text in texts):
            joined = separator.join(texts)
            return joined if separator == "," else f"^{separator}^{joined}"
    raise ValueError(f"the values contain every one of the separators {_SEPARATORS}: {', '.join(values)}")
