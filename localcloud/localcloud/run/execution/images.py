"""Commands for container images, from `--image NAME=COMMAND`. Pure.

There are no containers: a command of this machine takes the place of an image. It acts as the image's ENTRYPOINT: a
container's `args` are appended, its `command` replaces it. Other images are not found, as if never pushed.
"""

import shlex
from collections.abc import Iterable, Mapping

from localcloud.run.resources import Container


class ImageError(ValueError):
    """An `--image` option is invalid. The message says why."""


class Images:
    """Commands by image name."""

    def __init__(self, commands: Mapping[str, tuple[str, ...]]) -> None:
        self._commands = commands

    def argv(self, container: Container) -> tuple[str, ...] | None:
        """Return the command line of a container, or None if its image has no command."""
        for name in _names(container.image):
            if name in self._commands:
                return (container.command or self._commands[name]) + container.args
        return None


def read_images(options: Iterable[str]) -> Images:
    """Parse `NAME=COMMAND` options; commands are split as by a shell. Errors: ImageError."""
    commands: dict[str, tuple[str, ...]] = {}
    for option in options:
        name, _, command = option.partition("=")
        try:
            words = tuple(shlex.split(command))
        except ValueError as error:
            raise ImageError(f"--image {name}: {error}") from error
        if not name or not words:
            raise ImageError(f"--image {option}: expected NAME=COMMAND")
        commands[name] = words
    return Images(commands)


def _names(image: str) -> tuple[str, ...]:
    """Return the names that can stand for an image, the most specific first.

    `host:5000/p/r/job:v1` gives itself, `host:5000/p/r/job` and `job`.
    """
    untagged = image.partition("@")[0]
    path, slash, last = untagged.rpartition("/")
    short = last.partition(":")[0]
    return image, path + slash + short, short
