"""Commands: a program's arguments flow in, a `Command` flows out, which is a line to read or a process to run. Pure.

No argument is ever a secret: secrets go in by stdin (`feed`) and come out by stdout (`keep`), under a name.
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

_SEPARATORS = ",|;!@:~"


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command. Those on the same `target` run one after the other, others may run at the same time."""

    program: str
    arguments: tuple[str, ...]
    target: str
    feed: str = ""
    keep: str = ""
    fill: str = ""
    """A word in the arguments that stands for a value; only ever one that anybody may read."""

    tell: str = ""
    """A value that is shown once this is done."""

    minutes: str = ""
    """How long it may take, where that is long."""

    def line(self) -> str:
        """Give it as a shell would take it, with what goes in by stdin as a comment."""
        comment = f"  # stdin: {self.feed}" if self.feed else ""
        return shlex.join((self.program, *self.arguments)) + comment


def gcloud(*words: str, on: str, **flags: str | int | bool | None) -> Command:
    """Make a gcloud command: words, then flags; None leaves a flag out, True and False are `--flag` and `--no-flag`.

    What a `Command` has besides (`feed`, `keep`, …) may be among the flags.
    """
    own = {name: str(flags.pop(name)) for name in ("feed", "keep", "fill", "tell", "minutes") if name in flags}
    options = [_flag(name.replace("_", "-"), value) for name, value in flags.items() if value is not None]
    return Command(program="gcloud", arguments=(*words, *options), target=on, **own)


def _flag(name: str, value: str | int | bool) -> str:
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no-{name}"
    return f"--{name}={value}"


def pairs(values: Mapping[str, str]) -> str:
    """Write a mapping as gcloud reads it: `A=1,B=2`, or `^|^A=1,2|B=3` where a value has a comma in it.

    Source: `gcloud topic escaping`. Raises ValueError when every separator is in some value.
    """
    texts = [f"{name}={value}" for name, value in values.items()]
    for separator in _SEPARATORS:
        if not any(separator in text for text in texts):
            joined = separator.join(texts)
            return joined if separator == "," else f"^{separator}^{joined}"
    raise ValueError(f"a value has every one of {_SEPARATORS} in it: {', '.join(values)}")
