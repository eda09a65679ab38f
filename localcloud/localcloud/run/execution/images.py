"""Which command of this machine stands for a container image. Pure; `execute` and the APIs ask.

There are no containers here, so whoever starts localcloud says what an image means: `--image NAME=COMMAND`. The command
is the image's ENTRYPOINT: a container's `args` are appended to it, its `command` replaces it. An image that nobody has
named is not found, as one that was never pushed, and nothing is run for it.
"""

import shlex
from collections.abc import Iterable, Mapping

from localcloud.run.resources import Container


class ImageError(ValueError):
    """An `--image` that can't be read; the message says why."""


class Images:
    """Commands by the names of images."""

    def __init__(self, commands: Mapping[str, tuple[str, ...]]) -> None:
        self._commands = commands

    def argv(self, container: Container) -> tuple[str, ...] | None:
        """Return what a container runs, None when its image is not known."""
        for name in _names(container.image):
            if name in self._commands:
                return (container.command or self._commands[name]) + container.args
        return None


def read_images(options: Iterable[str]) -> Images:
    """Read `NAME=COMMAND` options; a command is split into words as a shell would. Errors: ImageError."""
    commands: dict[str, tuple[str, ...]] = {}
    for option in options:
        name, _, command = option.partition("=")
        try:
            words = tuple(shlex.split(command))
        except ValueError as error:
            raise ImageError(f"--image {name}: {error}") from error
        if not name or not words:
            raise ImageError(f"--image {option}: NAME=COMMAND is expected")
        commands[name] = words
    return Images(commands)


def _names(image: str) -> tuple[str, ...]:
    """Return the names an image may be given by, the most exact first.

    `host:5000/p/r/job:v1` gives itself, `host:5000/p/r/job` and `job`.
    """
    untagged = image.partition("@")[0]
    path, slash, last = untagged.rpartition("/")
    short = last.partition(":")[0]
    return image, path + slash + short, short
