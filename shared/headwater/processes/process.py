"""Run an object in a child process, and call its methods.

The child has no settings in its environment, so no database URL and no keys, and inherits no socket but the one to its
parent. It is killed when a call takes too long, and its memory is limited: code that hangs, crashes or grows takes
nothing else down. This is no sandbox: the child may still read what its user may read.
"""

import contextlib
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self, TypeVar

import msgspec

from headwater import logs
from headwater.errors import (
    ConfigError,
    HeadwaterError,
    PermanentError,
    SystemicError,
    UnprocessableContent,
    UpstreamError,
)
from headwater.outbound.sockets import LimitedSocket
from headwater.processes.messages import (
    Disconnected,
    Failure,
    FailureKind,
    MethodCall,
    MethodResult,
    TooLarge,
    receive,
    send,
)
from headwater.redaction import Redactor, quote

T = TypeVar("T")

CHECK_EVERY_S = 0.2
REPLY_S = 30.0
"""Time for the child to read a reply."""

_MAX_MESSAGE_CHARS = 1_000

_ERRORS: Mapping[FailureKind, type[HeadwaterError]] = {
    "invalid": UnprocessableContent,
    "systemic": SystemicError,
    "permanent": PermanentError,
    "config": ConfigError,
}


class ProcessFailed(HeadwaterError):
    """The method raised an error of another kind than Headwater's, or its process ended."""


class ProcessEnded(ProcessFailed):
    """The process ended during the call: it crashed, exited or was killed."""


class ProcessStopped(PermanentError):
    """The call took too long, and its process was stopped."""


class ProcessOutOfMemory(PermanentError):
    """The call needed more memory than its process may use."""


class ChildProcess:
    """A process that serves one object, started by `start` or the first call. Close it, or use a `with` statement.

    `target` is the object's class, such as `package.module:Class`, and `arguments` are its constructor's. `name` begins
    the messages of errors. `secrets` are removed from messages and logs.
    """

    def __init__(
        self,
        target: str,
        arguments: Sequence[Any],
        *,
        name: str,
        environment: Mapping[str, str],
        secrets: Sequence[str] = (),
    ) -> None:
        self.name = name
        self._target = target
        self._arguments = arguments
        self._environment = environment
        self._redact = Redactor(secrets)
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: socket.socket | None = None
        self._replying = threading.Lock()

    def call(
        self,
        method: str,
        *arguments: Any,
        kind: type[T],
        timeout_s: float,
        cpu_s: float | None = None,
        max_bytes: int = 1_000_000,
    ) -> T:
        """Call a method and return its result, of type `kind`.

        Raises what the method raises of UnprocessableContent, UpstreamError, PermanentError, SystemicError and
        ConfigError. Else raises ProcessFailed, ProcessOutOfMemory, or ProcessStopped after `timeout_s`, or after
        `cpu_s` of processor time.
        """
        [result] = self.stream(method, *arguments, kind=kind, timeout_s=timeout_s, cpu_s=cpu_s, max_bytes=max_bytes)
        return result

    def stream(
        self,
        method: str,
        *arguments: Any,
        kind: type[T],
        timeout_s: float,
        cpu_s: float | None = None,
        max_bytes: int,
        while_waiting: Callable[[], object] | None = None,
    ) -> Iterator[T]:
        """Call a method that yields several values, each of at most `max_bytes`; errors as in `call`.

        `timeout_s` is for all values together, without the time that the caller needs between them. `while_waiting` is
        called every `CHECK_EVERY_S` until a value is there, also between its parts. What it raises ends the call.
        """
        is_complete = False
        left_s = timeout_s
        try:
            started = time.monotonic()
            self._send(MethodCall(method, msgspec.Raw(msgspec.msgpack.encode(arguments)), cpu_s), started + left_s)
            while (result := self._receive(started + left_s, max_bytes, while_waiting)).kind == "value":
                left_s -= time.monotonic() - started
                yield msgspec.msgpack.decode(result.value, type=kind)
                started = time.monotonic()
            is_complete = True
            if result.kind == "failure":
                raise self._error(msgspec.msgpack.decode(result.value, type=Failure), method)
        except TimeoutError as error:
            raise self._stopped(method, f"{timeout_s:g} s") from error
        except TooLarge as error:
            raise PermanentError(f"{self.name} returned more than {max_bytes:,} bytes in {method!r}.") from error
        except (msgspec.DecodeError, RecursionError) as error:
            raise PermanentError(f"{self.name} returned an invalid result in {method!r}: {quote(error)}.") from error
        except Disconnected as error:
            code = self._exit_code()
            if code == -signal.SIGPROF and cpu_s is not None:
                raise self._stopped(method, f"{cpu_s:g} s of processor time") from error
            if code == -signal.SIGABRT:  # what Rust and C++ do when an allocation fails
                raise self._out_of_memory(method) from error
            raise ProcessEnded(f"{self.name} ended in {method!r} ({_exit_reason(code)}).") from error
        finally:
            if not is_complete:  # what it may still send belongs to this call
                self.close()

    @property
    def is_started(self) -> bool:
        """Whether the process has been started, and not closed since."""
        return self._process is not None

    def start(self) -> None:
        """Start the process, unless it runs. It ends with the thread that calls this (Linux's PR_SET_PDEATHSIG)."""
        if self._process is not None:
            return
        ours, theirs = socket.socketpair()
        with theirs:
            self._pipe = LimitedSocket(ours.family, ours.type, ours.proto, ours.detach())
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter
                [sys.executable, "-P", "-m", "headwater.processes.child", str(theirs.fileno()), self._target],
                env={**self._environment, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        with contextlib.suppress(Disconnected):  # it has ended already: the call will say how
            send(self._pipe, self._arguments)

    def close(self) -> None:
        """Kill the process and what it has started."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        if self._pipe is not None:
            self._pipe.close()
        self._process = self._pipe = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(self, call: MethodCall, deadline: float) -> None:
        self.start()
        send(self._connected, call, deadline=deadline)

    def reply(self, message: Any) -> None:
        """Send a message to the object while one of its methods runs.

        Raises Disconnected, and TimeoutError if the object does not read it: then the method ends with ProcessEnded.
        """
        with self._replying:
            pipe = self._connected
            try:
                send(pipe, message, deadline=time.monotonic() + REPLY_S)
            except TimeoutError:
                with contextlib.suppress(OSError):
                    pipe.shutdown(socket.SHUT_RDWR)  # the object would take the next message for the rest of this one
                raise

    def _receive(self, deadline: float, max_bytes: int, while_waiting: Callable[[], object] | None) -> MethodResult:
        pipe = self._connected
        if while_waiting is None:
            return receive(pipe, MethodResult, max_bytes=max_bytes, deadline=deadline)
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)

            def wait() -> None:
                while_waiting()
                while not selector.select(CHECK_EVERY_S) and time.monotonic() < deadline:
                    while_waiting()

            return receive(pipe, MethodResult, max_bytes=max_bytes, deadline=deadline, wait=wait)

    @property
    def _connected(self) -> socket.socket:
        if self._pipe is None:
            raise Disconnected
        return self._pipe

    def _error(self, failure: Failure, method: str) -> HeadwaterError:
        """Return the error that a failure stands for. After a fault, the process is not used again."""
        message = quote(self._redact(failure.message), _MAX_MESSAGE_CHARS)
        if failure.kind == "upstream":
            return UpstreamError(message, failure.retry_after_s)
        if failure.kind in _ERRORS:
            return _ERRORS[failure.kind](message)
        self.close()
        if failure.kind == "memory":
            return self._out_of_memory(method)
        stack_trace = self._redact(failure.stack_trace or "")
        logs.event("process.failed", severity=40, name=self.name, method=method, stack_trace=stack_trace)
        return ProcessFailed(f"{self.name} failed in {method!r}: {message}.")

    def _stopped(self, method: str, limit: str) -> ProcessStopped:
        return ProcessStopped(f"{self.name} did not finish {method!r} within {limit} and was stopped.")

    def _out_of_memory(self, method: str) -> ProcessOutOfMemory:
        return ProcessOutOfMemory(f"{self.name} needed more memory than allowed in {method!r} and was stopped.")

    def _exit_code(self) -> int | None:
        """Return how the process ended, None if it runs on or has not been started."""
        if self._process is None:
            return None
        try:
            return self._process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            return None


def _exit_reason(code: int | None) -> str:
    if code is None:
        return "it closed the connection"
    return f"signal {-code}" if code < 0 else f"exit code {code}"
