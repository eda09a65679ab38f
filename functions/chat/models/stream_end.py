"""Read streams of OpenAI's protocol: how often to read, and whether they ended with `[DONE]`.

OpenAI's client doesn't report `[DONE]`. Some servers send no `finish_reason`; then only `[DONE]` distinguishes a whole
answer from one that was cut off. With many running answers, each stream is read less often, so that one read returns
several tokens.
"""

import threading
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from functions.chat.answers.pace import paced_reads

if TYPE_CHECKING:
    import ssl

    import httpx2

_DONE = b"[DONE]"
_TAIL_BYTES = 64
_last = threading.local()
"""An answer is read on one thread. `tail`: the last bytes of the thread's last response."""


def done_was_sent() -> bool:
    """Return True if the last response on this thread ended with `[DONE]`."""
    return _DONE in getattr(_last, "tail", b"")


def client_that_notes_done(timeout_s: float) -> "httpx2.Client":
    """Return an HTTP client for OpenAI's protocol."""
    import httpx2
    from openai import DefaultHttpxClient

    class Noted(httpx2.SyncByteStream):
        def __init__(self, stream: httpx2.SyncByteStream) -> None:
            self._stream = stream

        def __iter__(self) -> Iterator[bytes]:
            _last.tail = b""
            for data in paced_reads(self._stream):
                _last.tail = (_last.tail + data)[-_TAIL_BYTES:]
                yield data

        def close(self) -> None:
            self._stream.close()

    def note(response: httpx2.Response) -> None:
        assert isinstance(response.stream, httpx2.SyncByteStream)
        response.stream = Noted(response.stream)

    client: httpx2.Client = DefaultHttpxClient(
        timeout=timeout_s, event_hooks={"response": [note]}, verify=_ssl_context()
    )
    return client


@cache
def client_for_asyncio() -> "httpx2.AsyncClient":
    """Return a client that all models share, since none uses it: LangChain would make one for each model."""
    import httpx2

    return httpx2.AsyncClient(verify=_ssl_context())


@cache
def _ssl_context() -> "ssl.SSLContext":
    """Return what all clients verify servers by. To load the certificates takes 15 ms."""
    import httpx2

    return httpx2.create_ssl_context()
