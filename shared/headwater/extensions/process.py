"""Run an extension in a process of its own.

The process has no settings in its environment, so no database URL and no keys. It is killed when a call takes too long,
and its memory is limited: an extension that hangs, crashes or grows takes nothing else down. This is no sandbox: an
installed package may still read what the function's user may read.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec

from headwater import logs
from headwater.config import environment_without_settings
from headwater.errors import HeadwaterError, PermanentError, SystemicError, UnprocessableContent, UpstreamError
from headwater.extensions.discovery import Extension
from headwater.extensions.messages import (
    Disconnected,
    Failure,
    MethodCall,
    MethodResult,
    Start,
    TooLarge,
    receive,
    send,
)

T = TypeVar("T")


class ExtensionFailed(HeadwaterError):
    """The extension raised an error that its contract doesn't allow, or its process ended."""


class ExtensionStopped(PermanentError):
    """The extension took too long and was stopped."""


class ExtensionProcess:
    """The process of one extension, started by the first call. Close it, or use it as a context manager.

    `context` is for the connector or tool. `secret` is removed from error messages and logs.
    """

    def __init__(self, extension: Extension, context: Any = None, secret: str | None = None) -> None:
        self.extension = extension
        self._context = context
        self._secret = secret
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: socket.socket | None = None

    def call(self, method: str, *arguments: Any, kind: type[T], timeout_s: float, max_bytes: int = 1_000_000) -> T:
        """Call a method and return its result, of type `kind`.

        Raises what the extension raises of UnprocessableContent, UpstreamError, PermanentError and SystemicError; else
        ExtensionFailed, or ExtensionStopped after `timeout_s`.
        """
        [result] = self.stream(method, *arguments, kind=kind, timeout_s=timeout_s, max_bytes=max_bytes)
        return result

    def stream(self, method: str, *arguments: Any, kind: type[T], timeout_s: float, max_bytes: int) -> Iterator[T]:
        """Call a method that yields several values, each of at most `max_bytes`; errors as in `call`.

        `timeout_s` is for all values together, without the time that the caller needs between them.
        """
        is_complete = False
        left_s = timeout_s
        try:
            started = time.monotonic()
            self._send(MethodCall(method, msgspec.Raw(msgspec.msgpack.encode(arguments))), started + left_s)
            while (value := self._receive(kind, method, started + left_s, max_bytes)) is not None:
                left_s -= time.monotonic() - started
                yield value
                started = time.monotonic()
            is_complete = True
        except TimeoutError as error:
            raise ExtensionStopped(
                f"{self._name} did not finish {method!r} within {timeout_s:g} s and was stopped."
            ) from error
        except TooLarge as error:
            raise PermanentError(f"{self._name} returned more than {max_bytes:,} bytes in {method!r}.") from error
        except msgspec.ValidationError as error:
            raise PermanentError(f"{self._name} returned an invalid result in {method!r}: {error}.") from error
        except Disconnected as error:
            raise ExtensionFailed(f"{self._name} ended in {method!r} ({self._exit_reason()}).") from error
        finally:
            if not is_complete:  # what it may still send belongs to this call
                self.close()

    def close(self) -> None:
        """Kill the process and what it has started."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        if self._pipe is not None:
            self._pipe.close()
        self._process = self._pipe = None

    def __enter__(self) -> "ExtensionProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _name(self) -> str:
        return f"The extension {self.extension.package} ({self.extension.name})"

    def _send(self, call: MethodCall, deadline: float) -> None:
        if self._pipe is None:
            self._start(deadline)
        send(self._opened, call, deadline=deadline)

    @property
    def _opened(self) -> socket.socket:
        if self._pipe is None:
            raise Disconnected
        return self._pipe

    def _start(self, deadline: float) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._pipe = ours
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter
                [sys.executable, "-P", "-m", "headwater.extensions.child", str(theirs.fileno())],
                env=environment_without_settings() | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        send(ours, Start(self.extension, msgspec.Raw(msgspec.msgpack.encode(self._context))), deadline=deadline)

    def _receive(self, kind: type[T], method: str, deadline: float, max_bytes: int) -> T | None:
        """Return the next value of a call, None at its end; raises what the extension raised."""
        result = receive(self._opened, MethodResult, max_bytes=max_bytes, deadline=deadline)
        if result.kind == "end":
            return None
        if result.kind == "value":
            return msgspec.msgpack.decode(result.value, type=kind)
        raise self._error(msgspec.msgpack.decode(result.value, type=Failure), method)

    def _error(self, failure: Failure, method: str) -> HeadwaterError:
        message = self._redact(failure.message)
        match failure.kind:
            case "invalid":
                return UnprocessableContent(message)
            case "upstream":
                return UpstreamError(message, failure.retry_after_s)
            case "systemic":
                return SystemicError(message)
            case "permanent":
                return PermanentError(message)
        logs.event(
            "extension.failed",
            severity=40,
            package=self.extension.package,
            name=self.extension.name,
            method=method,
            stack_trace=self._redact(failure.stack_trace or ""),
        )
        return ExtensionFailed(f"{self._name} failed in {method!r}: {message}.")

    def _redact(self, text: str) -> str:
        text = text.replace("\0", "")
        return text.replace(self._secret, "[secret]") if self._secret else text

    def _exit_reason(self) -> str:
        if self._process is None:
            return "it did not start"
        try:
            code = self._process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            return "it closed the connection"
        return f"signal {-code}" if code < 0 else f"exit code {code}"
