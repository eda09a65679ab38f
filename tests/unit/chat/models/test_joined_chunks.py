"""Reading streams of OpenAI's protocol: which deltas are joined, wherever the network cuts the stream.

The module is imported by the tests: each process collects them, and importing OpenAI's package takes a third of a
second.
"""

import json
from collections.abc import Iterable
from typing import Any

import hypothesis.strategies as st
from hypothesis import given


def text(content: str, **others: Any) -> dict[str, Any]:
    return {"choices": [{"delta": {"content": content, **others}, "finish_reason": None}], "usage": None}


def stream(*chunks: Any, end: str = "\n") -> bytes:
    lines = (f"data: {chunk if isinstance(chunk, str) else json.dumps(chunk, ensure_ascii=False)}" for chunk in chunks)
    return "".join(f"{line}{end}{end}" for line in lines).encode()


def read(*reads: bytes) -> list[Any]:
    """Return the data of the events, before the end as JSON."""
    from functions.chat.models.joined_chunks import _JoiningDecoder

    events = _JoiningDecoder().iter_bytes(iter(reads))
    return [event.data if event.data == "[DONE]" else event.json() for event in events]


def contents(chunks: Iterable[Any]) -> list[str]:
    return [chunk["choices"][0]["delta"].get("content") for chunk in chunks]


def test_adjacent_text_of_one_read_becomes_one_chunk() -> None:
    first, second = stream(text("a"), text("b")), stream(text("c"), "[DONE]")
    assert contents(read(first)) == ["ab"]
    assert contents(read(first + second)[:-1]) == ["abc"]
    assert contents(read(first, second)[:-1]) == ["ab", "c"]
    assert read(first, second)[-1] == "[DONE]"


def test_chunks_with_more_than_text_stay_apart_and_in_order() -> None:
    call = {"choices": [{"delta": {"tool_calls": [{"index": 0}]}}]}
    last = {"choices": [{"delta": {"content": "e"}, "finish_reason": "stop"}]}
    usage = {"choices": [], "usage": {"total_tokens": 1}}
    thought = {"choices": [{"delta": {"content": "", "reasoning_content": "hm"}}]}
    chunks = read(stream(text("a", role="assistant", refusal=None), text("b"), thought, text("c"), call, last, usage))
    assert contents(chunks[:1]) == ["ab"]
    assert chunks[1:] == [thought, text("c"), call, last, usage]


def test_errors_and_undecodable_events_are_left_to_the_reader() -> None:
    from functions.chat.models.joined_chunks import _JoiningDecoder

    error = {"error": {"message": "overloaded"}}
    assert read(stream(text("a"), error, text("b"))) == [text("a"), error, text("b")]
    [text_event, broken] = _JoiningDecoder().iter_bytes(iter([stream(text("a"), "{broken")]))
    assert (text_event.json(), broken.data) == (text("a"), "{broken")
    [named] = _JoiningDecoder().iter_bytes(iter([b'event: error\ndata: {"error": 1}\n\n']))
    assert (named.event, named.json()) == ("error", {"error": 1})


@given(st.lists(st.text(), min_size=1, max_size=5), st.sampled_from(["\n", "\r\n", "\r"]), st.data())
def test_text_does_not_depend_on_where_reads_end(pieces: list[str], end: str, data: st.DataObject) -> None:
    from functions.chat.models.joined_chunks import split_events

    whole = stream(*(text(piece) for piece in pieces), end=end)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    reads = [whole[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert b"".join(split_events(reads)) == whole
    assert "".join(contents(read(*reads))) == "".join(pieces)
