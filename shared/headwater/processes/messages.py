"""Messages between a process and its child: a length of four bytes, then MessagePack."""

import socket
import time
from collections.abc import Callable
from typing import Any, Literal, TypeVar

import msgspec

T = TypeVar("T")

_LENGTH_BYTES = 4
_CHUNK = 1 << 20


FailureKind = Literal["invalid", "upstream", "permanent", "systemic", "config", "memory", "unexpected"]


class MethodCall(msgspec.Struct, frozen=True, array_like=True):
    """A call of one of the object's methods, which may use `cpu_s` seconds of processor time."""

    method: str
    arguments: msgspec.Raw
    cpu_s: float | None = None


class MethodResult(msgspec.Struct, frozen=True, array_like=True):
    """The result of a call: a `value`, the `end` of the values, or a Failure."""

    kind: Literal["value", "end", "failure"]
    value: msgspec.Raw = msgspec.Raw(b"\xc0")


class Failure(msgspec.Struct, frozen=True):
    """Why a call failed: an error of Headwater, too little memory, or an `unexpected` error with its stack trace."""

    kind: FailureKind
    message: str
    retry_after_s: float | None = None
    stack_trace: str | None = None


class Disconnected(Exception):
    """The other process has closed the socket."""


class TooLarge(Exception):
    """A message is longer than the reader allows."""


def send(pipe: socket.socket, message: Any, *, deadline: float | None = None) -> None:
    """Send one message until `deadline` (of `time.monotonic`); raises TimeoutError or Disconnected."""
    data = msgspec.msgpack.encode(message)
    _limit(pipe, deadline)
    try:
        pipe.sendall(len(data).to_bytes(_LENGTH_BYTES, "big") + data)
    except (BrokenPipeError, ConnectionResetError) as error:
        raise Disconnected from error


def receive(
    pipe: socket.socket,
    kind: type[T],
    *,
    max_bytes: int,
    deadline: float | None = None,
    wait: Callable[[], object] | None = None,
) -> T:
    """Receive one message until `deadline` (of `time.monotonic`). `wait` is called before each read of the socket.

    Raises TimeoutError, Disconnected, TooLarge, or msgspec.DecodeError for a message of another shape.
    """
    length = int.from_bytes(_read(pipe, _LENGTH_BYTES, deadline, wait), "big")
    if length > max_bytes:
        raise TooLarge
    return msgspec.msgpack.decode(_read(pipe, length, deadline, wait), type=kind)


def _read(pipe: socket.socket, size: int, deadline: float | None, wait: Callable[[], object] | None) -> bytes:
    parts = []
    while size:
        if wait is not None:
            wait()
        _limit(pipe, deadline)
        try:
            part = pipe.recv(min(size, _CHUNK))
        except ConnectionResetError as error:
            raise Disconnected from error
        if not part:
            raise Disconnected
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _limit(pipe: socket.socket, deadline: float | None) -> None:
    """Let the next call on the socket wait until the deadline; raises TimeoutError if it has passed."""
    left_s = None if deadline is None else deadline - time.monotonic()
    if left_s is not None and left_s <= 0:
        raise TimeoutError
    pipe.settimeout(left_s)
