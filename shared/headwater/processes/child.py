"""The child's side: build an object and run its methods. Started by `process` with a socket's number and a class."""

import ctypes
import resource
import signal
import socket
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, get_type_hints

import msgspec

from headwater.errors import ConfigError, HeadwaterError, PermanentError, SystemicError, UpstreamError, UserError
from headwater.processes.garbage import collect_garbage_less_often
from headwater.processes.messages import (
    Disconnected,
    Failure,
    FailureKind,
    MethodCall,
    MethodResult,
    receive,
    send,
)

MAX_DATA_BYTES = 1024**3
"""Memory that a child may allocate; above it Python raises MemoryError."""

_MAX_CALL_BYTES = 1 << 32
_MAX_TEXT_CHARS = 10_000
_PR_SET_PDEATHSIG = 1  # prctl(2)

_ERRORS: Sequence[tuple[FailureKind, type[HeadwaterError]]] = (
    ("invalid", UserError),
    ("upstream", UpstreamError),
    ("systemic", SystemicError),
    ("permanent", PermanentError),
    ("config", ConfigError),
)
"""The errors that a call may raise in the parent; a base class comes after its subclass."""


def serve(pipe: socket.socket, target: str) -> None:
    """Build an object of a class, such as `package.module:Class`, and run the methods that the parent calls.

    The first message has the arguments of the class. Ends when the parent closes the socket. An object with a method
    `attach` is given the socket, to read what the parent sends while a method yields its values.
    """
    arguments = receive(pipe, msgspec.Raw, max_bytes=_MAX_CALL_BYTES)
    try:
        served = _build(target, arguments)
    except Exception as error:  # noqa: BLE001 - the boundary: the first call reports it
        receive(pipe, MethodCall, max_bytes=_MAX_CALL_BYTES)
        send(pipe, _failure(error))
        return
    if attach := getattr(served, "attach", None):
        attach(pipe)
    while True:
        call = receive(pipe, MethodCall, max_bytes=_MAX_CALL_BYTES)
        try:
            with _processor_time(call.cpu_s):
                for value in _call_method(served, call):
                    send(pipe, MethodResult("value", msgspec.Raw(msgspec.msgpack.encode(value))))
            result = MethodResult("end")
        except Disconnected:
            raise
        except BaseException as error:  # noqa: BLE001 - the boundary: every error of the object is reported
            result = _failure(error)
        send(pipe, result)


def _build(target: str, arguments: msgspec.Raw) -> Any:
    module, _, name = target.partition(":")
    kind = getattr(import_module(module), name)
    return kind(*_decode_arguments(kind.__init__, arguments))


def _call_method(served: Any, call: MethodCall) -> Iterator[Any]:
    method = getattr(served, call.method)
    yield from method(*_decode_arguments(method, call.arguments))


def _decode_arguments(function: Any, arguments: msgspec.Raw) -> tuple[Any, ...]:
    decoded: tuple[Any, ...] = msgspec.msgpack.decode(arguments, type=_argument_types(function))
    return decoded


@cache
def _argument_types(function: Any) -> Any:
    """Return the tuple of the types that a function's annotations name."""
    hints = get_type_hints(function)
    hints.pop("return")
    kinds: Any = tuple(hints.values())
    return tuple[kinds]


@contextmanager
def _processor_time(limit_s: float | None) -> Iterator[None]:
    """Let the kernel end the process by SIGPROF after `limit_s` of processor time, whatever holds the interpreter."""
    signal.setitimer(signal.ITIMER_PROF, limit_s or 0.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)


def _failure(error: BaseException) -> MethodResult:
    return MethodResult("failure", msgspec.Raw(msgspec.msgpack.encode(_describe_error(error))))


def _is_failed_allocation(error: BaseException) -> bool:
    """Return True for the panic of a Rust extension (PyO3) that got no memory for a Python object."""
    return type(error).__name__ == "PanicException" and "pointer is null" in str(error)


def _describe_error(error: BaseException) -> Failure:
    if isinstance(error, MemoryError) or _is_failed_allocation(error):
        return Failure("memory", "")
    text = error.message if isinstance(error, HeadwaterError) else f"{type(error).__name__}: {error}"
    for kind, kind_of_error in _ERRORS:
        if isinstance(error, kind_of_error):
            return Failure(kind, text, getattr(error, "retry_after_s", None))
    stack_trace = "".join(traceback.format_exception(error))
    return Failure("unexpected", text[:_MAX_TEXT_CHARS].rstrip(". "), stack_trace=stack_trace)


def limit_process() -> None:
    """End with the thread that started this process, be the first to go when memory is short, and limit memory."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000")
    _set_limit(resource.RLIMIT_DATA, MAX_DATA_BYTES)
    _set_limit(resource.RLIMIT_CORE, 0)


def limit_memory(more_bytes: int) -> None:
    """Let this process map `more_bytes` more than it has mapped now; above that Python raises MemoryError.

    Unlike RLIMIT_DATA, RLIMIT_AS is enforced by gVisor too, in which Cloud Run may run a service.
    """
    with suppress(OSError):  # only Linux has the file
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        _set_limit(resource.RLIMIT_AS, pages * resource.getpagesize() + more_bytes)
        _set_limit(resource.RLIMIT_DATA, resource.RLIM_INFINITY)


def _set_limit(limit: int, value: int) -> None:
    with suppress(OSError, ValueError):  # not every system has the limit, or allows changing it
        resource.setrlimit(limit, (value, resource.getrlimit(limit)[1]))


if __name__ == "__main__":
    limit_process()
    collect_garbage_less_often()
    with socket.socket(fileno=int(sys.argv[1])) as parent, suppress(Disconnected):
        serve(parent, sys.argv[2])
