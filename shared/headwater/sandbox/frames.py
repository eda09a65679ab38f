"""Frames, the messages of a supervisor: split bytes into frames, and collect the outcome."""

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec

from headwater.errors import HeadwaterError, PermanentError, UnprocessableContent
from headwater.sandbox import supervisor
from headwater.sandbox.limits import Outcome, Reason

Frame = tuple[bytes, bytes]
"""A kind, one of the supervisor's or ALIVE, and its content."""

ALIVE = b"a"
"""The kind of a frame that says that the command is still running. It has no content."""


class SandboxUnavailable(PermanentError):
    """This system can't run commands safely. The message says why."""


class SandboxFailed(HeadwaterError):
    """The sandbox's own process ended before the command did. Try again."""


class FrameBuffer:
    """Splits received bytes into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def add(self, chunk: bytes) -> None:
        """Add received bytes."""
        self._buffer += chunk

    def take(self) -> Iterator[Frame]:
        """Yield and remove the complete frames."""
        header = supervisor.FRAME.size
        while len(self._buffer) >= header:
            kind, size = supervisor.FRAME.unpack_from(self._buffer)
            if len(self._buffer) < header + size:
                return
            content = bytes(self._buffer[header : header + size])
            del self._buffer[: header + size]
            yield kind, content


def pack(frame: Frame) -> bytes:
    """Return a frame's bytes."""
    kind, content = frame
    return supervisor.FRAME.pack(kind, len(content)) + content


class _End(msgspec.Struct, frozen=True):
    reason: Reason
    code: int
    seconds: float


def collect(frames: Iterable[Frame], on_output: Callable[[bytes], object]) -> Outcome:
    """Return the outcome that frames describe. Raises what the supervisor refused, and SandboxFailed without an end."""
    output: list[bytes] = []
    found: dict[str, bytes] = {}
    skipped: dict[str, str] = {}
    for kind, content in frames:
        if kind == ALIVE:
            continue
        if kind == supervisor.OUTPUT:
            output.append(content)
            on_output(content)
        elif kind == supervisor.FILE:
            path_end = 4 + struct.unpack_from(">I", content)[0]
            found[content[4:path_end].decode()] = content[path_end:]
        elif kind == supervisor.SKIPPED:
            path, why = msgspec.json.decode(content, type=tuple[str, str])
            skipped[path] = why
        elif kind == supervisor.REFUSED:
            raise _refusal(msgspec.json.decode(content, type=dict[str, str]))
        else:
            end = msgspec.json.decode(content, type=_End)
            return Outcome(
                reason=end.reason,
                code=end.code,
                output=b"".join(output),
                files=found,
                skipped=skipped,
                seconds=end.seconds,
            )
    raise SandboxFailed("The sandbox ended unexpectedly. Try again.")


def _refusal(content: Mapping[str, str]) -> HeadwaterError:
    if path := content.get("file"):
        return UnprocessableContent(f"The file {path!r} can't be written to the sandbox's disk: {content['reason']}.")
    return SandboxUnavailable(f"The sandbox can't be set up: {content['reason']}.")
