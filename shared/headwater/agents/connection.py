"""The agent's side of the connection to its parent: requests from any thread, each of which waits for its reply."""

import queue
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import suppress
from itertools import count
from typing import Any, TypeVar

import msgspec

from headwater.agents.messages import AgentContext, Call, Reply, Request
from headwater.errors import PermanentError, UnprocessableContent, UpstreamError
from headwater.processes.messages import Disconnected, Failure, receive

T = TypeVar("T")

_MAX_REPLY_BYTES = 1 << 30
"""The parent limits what it sends."""

_current: "list[Connection]" = []


class Connection:
    """The connection of this process to its parent."""

    def __init__(self, pipe: socket.socket, context: AgentContext) -> None:
        self.context = context
        self._pipe = pipe
        self._outgoing: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._waiting: dict[int, Future[msgspec.Raw]] = {}
        self._ids = count(1)
        _current[:] = [self]
        threading.Thread(target=self._read_replies, name="replies", daemon=True).start()

    def request(self, call: Call, kind: type[T] | Any) -> T:
        """Ask the parent, and wait for its reply of type `kind`.

        Raises UpstreamError, PermanentError or UnprocessableContent as the parent says.
        """
        future: Future[msgspec.Raw] = Future()
        request = Request(next(self._ids), call)
        self._waiting[request.id] = future
        self._outgoing.put(request)
        decoded: T = msgspec.msgpack.decode(future.result(), type=kind)
        return decoded

    def requests(self) -> Iterator[Request]:
        """Yield the requests as they come, until `close`."""
        while (request := self._outgoing.get()) is not None:
            yield request

    def close(self) -> None:
        """End `requests`."""
        self._outgoing.put(None)

    def _read_replies(self) -> None:
        with suppress(Disconnected):  # the process is about to be killed
            while True:
                reply = receive(self._pipe, Reply, max_bytes=_MAX_REPLY_BYTES)
                future = self._waiting.pop(reply.id)
                if reply.failure is None:
                    future.set_result(reply.value)
                else:
                    future.set_exception(_error(reply.failure))


def current() -> Connection:
    """Return this process's connection. Raises RuntimeError if it has none."""
    if not _current:
        raise RuntimeError("Only an agent that Headwater runs has Headwater's model and tools.")
    return _current[0]


def _error(failure: Failure) -> Exception:
    if failure.kind == "upstream":
        return UpstreamError(failure.message, failure.retry_after_s)
    return (UnprocessableContent if failure.kind == "invalid" else PermanentError)(failure.message)
