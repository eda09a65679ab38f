"""The process of an extension: import it and answer calls. Started by `process` with the number of a socket."""

import ctypes
import resource
import signal
import socket
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from importlib.metadata import EntryPoint
from typing import Any, get_type_hints

import msgspec

from headwater.connectors import (
    Connector,
    ConnectorContext,
    Entry,
    Fetched,
    Listing,
    SourceKind,
    decode_config,
    describe,
)
from headwater.errors import HeadwaterError, PermanentError, SystemicError, UpstreamError, UserError
from headwater.extensions.messages import Disconnected, Failure, MethodCall, MethodResult, Start, receive, send
from headwater.parsers import Parsed
from headwater.tools import Tool, ToolContext, ToolDescription, describe_tool, run_tool

MAX_MEMORY_BYTES = 1024**3
"""Memory that an extension may allocate; above it Python raises MemoryError."""

_MAX_CALL_BYTES = 1 << 32
_PR_SET_PDEATHSIG = 1  # prctl(2)


class ExtensionMethods:
    """Base class of the methods of a contract. The first call imports the extension's object."""

    def __init__(self, start: Start) -> None:
        self.extension = start.extension
        self.context = start.context

    @cached_property
    def target(self) -> Any:
        return EntryPoint(self.extension.name, self.extension.target, self.extension.group).load()

    def _subclass_of(self, contract: type) -> Any:
        if not (isinstance(self.target, type) and issubclass(self.target, contract)):
            raise PermanentError(f"{self.extension.target} is not a subclass of {contract.__name__}.")
        return self.target


class ConnectorMethods(ExtensionMethods):
    """The methods of a connector."""

    @cached_property
    def connector(self) -> type[Connector[Any]]:
        connector: type[Connector[Any]] = self._subclass_of(Connector)
        return connector

    @cached_property
    def opened(self) -> Connector[Any]:
        return self.connector.open(msgspec.msgpack.decode(self.context, type=ConnectorContext))

    def describe(self) -> Iterator[SourceKind]:
        yield describe(self.extension.name, self.connector)

    def normalise(self, config: Any) -> Iterator[Any]:
        yield decode_config(self.connector, config)

    def check(self, config: Any, secret: str | None) -> Iterator[bool]:
        self.opened.check(decode_config(self.connector, config), secret)
        yield True

    def list(self, config: Any, secret: str | None, cursor: str | None, known: frozenset[str]) -> Iterator[Listing]:
        yield self.opened.list(decode_config(self.connector, config), secret, cursor, known)

    def fetch(self, config: Any, secret: str | None, snapshot: str, entries: tuple[Entry, ...]) -> Iterator[Fetched]:
        yield from self.opened.fetch(decode_config(self.connector, config), secret, snapshot, entries)


class ParserMethods(ExtensionMethods):
    """The method of a parser."""

    def parse(self, name: str, content: bytes, media_type: str) -> Iterator[Parsed]:
        yield self.target(name, content, media_type)


class ToolMethods(ExtensionMethods):
    """The methods of a tool."""

    @cached_property
    def tool(self) -> type[Tool[Any]]:
        tool: type[Tool[Any]] = self._subclass_of(Tool)
        if tool.name != self.extension.name:
            raise PermanentError(f"The tool is called {tool.name!r}, but its entry point {self.extension.name!r}.")
        return tool

    def describe(self) -> Iterator[ToolDescription]:
        yield describe_tool(self.tool)

    def run(self, arguments: Any) -> Iterator[Any]:
        yield run_tool(self.tool(), msgspec.msgpack.decode(self.context, type=ToolContext), arguments)


METHODS: Mapping[str, type[ExtensionMethods]] = {
    "headwater.connectors": ConnectorMethods,
    "headwater.parsers": ParserMethods,
    "headwater.tools": ToolMethods,
}


def serve(pipe: socket.socket) -> None:
    """Run the methods that the function calls, until it closes the socket."""
    start = receive(pipe, Start, max_bytes=_MAX_CALL_BYTES)
    methods = METHODS[start.extension.group](start)
    while True:
        call = receive(pipe, MethodCall, max_bytes=_MAX_CALL_BYTES)
        try:
            for value in _call_method(methods, call):
                send(pipe, MethodResult("value", msgspec.Raw(msgspec.msgpack.encode(value))))
            result = MethodResult("end")
        except Disconnected:
            raise
        except BaseException as error:  # noqa: BLE001 - the boundary: every error of an extension is reported
            result = MethodResult("failure", msgspec.Raw(msgspec.msgpack.encode(_describe_error(error))))
        send(pipe, result)


def _call_method(methods: ExtensionMethods, call: MethodCall) -> Iterator[Any]:
    method = getattr(methods, call.method)
    hints = get_type_hints(method)
    hints.pop("return")
    kinds: Any = tuple(hints.values())
    yield from method(*msgspec.msgpack.decode(call.arguments, type=tuple[kinds]))


def _describe_error(error: BaseException) -> Failure:
    match error:
        case UserError():
            return Failure("invalid", error.message)
        case UpstreamError():
            return Failure("upstream", error.message, error.retry_after_s)
        case SystemicError():
            return Failure("systemic", error.message)
        case PermanentError():
            return Failure("permanent", error.message)
    text = error.message if isinstance(error, HeadwaterError) else f"{type(error).__name__}: {error}"
    return Failure("unexpected", text[:500].rstrip(". "), stack_trace="".join(traceback.format_exception(error)))


def limit_process() -> None:
    """End with the function that started this process, and limit memory."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    with suppress(OSError, ValueError):  # not every system has this limit, or allows lowering it
        resource.setrlimit(resource.RLIMIT_DATA, (MAX_MEMORY_BYTES, resource.getrlimit(resource.RLIMIT_DATA)[1]))


if __name__ == "__main__":
    limit_process()
    with socket.socket(fileno=int(sys.argv[1])) as function, suppress(Disconnected):
        serve(function)
