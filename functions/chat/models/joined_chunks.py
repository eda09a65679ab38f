"""Read streams of OpenAI's protocol: deltas of text that arrive together become one chunk.

For each chunk, OpenAI's client builds a model and LangChain another one, which takes 0.4 ms together. With a hundred
answers at once, that is more than a processor can do. Here chunks are dictionaries, which LangChain accepts too, and
all text that one read from the network returns is one chunk. Imported with the first model of that protocol.

OpenAI's client also compares everything that it sends with its types, which takes 0.2 ms for each tool. LangChain has
already written messages and tools as the protocol requires. So they are sent as further fields, which the client
doesn't check.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from openai import Stream
from openai._streaming import ServerSentEvent, SSEDecoder

_EVENT_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")


class JoiningCompletions:
    """The part of OpenAI's client that LangChain streams chat completions with."""

    def __init__(self, completions: Any) -> None:
        self._completions = completions

    def create(self, **payload: Any) -> "JoinedChunks":
        """Ask for a completion, as a stream. Raises the client's errors."""
        unchanged = {name: payload.pop(name) for name in ("messages", "tools") if name in payload}
        payload |= {"messages": [], "extra_body": {**unchanged, **(payload.get("extra_body") or {})}}
        stream: JoinedChunks = self._completions.with_raw_response.create(**payload).parse(to=JoinedChunks)
        return stream


class JoinedChunks(Stream[object]):  # type: ignore[misc]
    """OpenAI's reader of a stream, with another decoder."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._decoder = _JoiningDecoder()


class _Event(ServerSentEvent):  # type: ignore[misc]
    """An event with its decoded data."""

    def __init__(self, chunk: dict[str, Any]) -> None:
        super().__init__(data="{}")
        self.chunk = chunk

    def json(self) -> Any:
        """Return the data."""
        return self.chunk


class _JoiningDecoder(SSEDecoder):  # type: ignore[misc]
    """Decodes the events of each read at once, and joins adjacent ones that have nothing but text."""

    def iter_bytes(self, iterator: Iterator[bytes]) -> Iterator[ServerSentEvent]:
        """Yield the events of a response's bytes."""
        for whole in split_events(iterator):
            yield from _join(super().iter_bytes(iter((whole,))))


def split_events(reads: Iterable[bytes]) -> Iterator[bytes]:
    r"""Yield the whole events of each read; the rest last: `[b"data: 1\n\ndata:", b" 2"]` for `data: 1\n\ndata: 2`."""
    rest = bytearray()
    for data in reads:
        searched = max(0, len(rest) - 3)
        rest += data
        end = max((match.end() for match in _EVENT_END.finditer(rest, searched)), default=0)
        if end:
            yield bytes(rest[:end])
            del rest[:end]
    if rest:
        yield bytes(rest)


def _join(events: Iterable[ServerSentEvent]) -> Iterator[ServerSentEvent]:
    """Yield the events, those of adjacent deltas of text as one. Undecodable ones are left to OpenAI's reader."""
    last: _Event | None = None
    last_delta: dict[str, Any] | None = None
    for event in events:
        try:
            chunk = msgspec.json.decode(event.data)
        except msgspec.DecodeError:
            chunk = None
        delta = _text_delta(chunk)
        if delta and last_delta:
            last_delta["content"] += delta["content"]
            continue
        if last:
            yield last
        last, last_delta = (_Event(chunk), delta) if delta else (None, None)
        if not delta:
            yield _Event(chunk) if isinstance(chunk, dict) and not event.event else event
    if last:
        yield last


def _text_delta(chunk: Any) -> dict[str, Any] | None:
    """Return the delta of a chunk that has nothing but text, else None."""
    match chunk:
        case {"choices": [{"delta": {"content": str()} as delta} as choice]}:
            others = (chunk.get("usage"), chunk.get("error"), choice.get("finish_reason"), choice.get("logprobs"))
            values = (value for name, value in delta.items() if name not in ("content", "role"))
            return delta if not any(others) and not any(values) else None
    return None
