"""Chat completions in the shape of OpenAI's API. Pure: requests to questions, parts of an answer to responses.

https://platform.openai.com/docs/api-reference/chat
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from functions.chat.answers.collect import CitedPassage, CollectedAnswer
from functions.chat.answers.prompt import Turn
from functions.chat.streams.ui_message_stream import FinishReason, Part, ReasoningDelta, TextDelta
from headwater.errors import UnprocessableContent

DEFAULT_MODEL = "headwater"
"""The name that stands for the installation's model."""

DONE = b"data: [DONE]\n\n"


class ContentPart(msgspec.Struct, frozen=True):
    """A part of a message. Only text can be read."""

    type: str
    text: str = ""


class ChatMessage(msgspec.Struct, frozen=True):
    """One message. Instructions (`system`, `developer`) and results of tools are ignored."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[ContentPart] | None = None


class StreamOptions(msgspec.Struct, frozen=True):
    """Options of a stream."""

    include_usage: bool = False


class CompletionRequest(msgspec.Struct, frozen=True):
    """A question with the messages before it. Other fields of OpenAI's API are ignored.

    `filter` says which documents the answer is from, as in a search.
    """

    messages: list[ChatMessage]
    model: str = DEFAULT_MODEL
    stream: bool = False
    stream_options: StreamOptions | None = None
    filter: str = ""


class AnswerMessage(msgspec.Struct, frozen=True):
    """The answer. Citations `[n]` refer to `citations` of the response."""

    content: str
    role: str = "assistant"
    refusal: str | None = None


class Choice(msgspec.Struct, frozen=True):
    """There is always one. `finish_reason` is `stop`, `length` or `content_filter`."""

    message: AnswerMessage
    finish_reason: str
    index: int = 0
    logprobs: None = None


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer, with the passages that it cites. `notice` says why it is incomplete, null for a complete one."""

    id: str
    created: int
    model: str
    choices: list[Choice]
    citations: list[CitedPassage]
    notice: str | None
    object: str = "chat.completion"


def read_conversation(messages: Sequence[ChatMessage]) -> tuple[str, list[Turn]]:
    """Return the last message's text and the turns before it. Raises UnprocessableContent if it is no question."""
    turns = [Turn("user" if m.role == "user" else "assistant", _text(m)) for m in messages if m.role in _SPEAKERS]
    if not messages or messages[-1].role != "user":
        raise UnprocessableContent("messages: the last message must have the role `user`.")
    return turns[-1].text, [turn for turn in turns[:-1] if turn.text]


_SPEAKERS = ("user", "assistant")


def _text(message: ChatMessage) -> str:
    if not isinstance(message.content, list):
        return message.content or ""
    if any(part.type != "text" for part in message.content):
        raise UnprocessableContent("messages: only parts of the type `text` can be read. Send text.")
    return "\n".join(part.text for part in message.content)


def completion(completion_id: str, model: str, answer: CollectedAnswer) -> Completion:
    """Return the response with a whole answer."""
    choice = Choice(AnswerMessage(answer.text), finish_reason(answer.reason))
    return Completion(
        id=completion_id,
        created=int(time.time()),
        model=model,
        choices=[choice],
        citations=answer.citations,
        notice=answer.notice,
    )


def finish_reason(reason: FinishReason) -> str:
    """Return OpenAI's word for the end of an answer. Any other end is `stop`."""
    return {"length": "length", "content-filter": "content_filter"}.get(reason, "stop")


class Chunks:
    """Encodes the parts of an answer as server-sent chunks."""

    def __init__(self, completion_id: str, model: str) -> None:
        self._head = {
            "id": completion_id,
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": model,
        }

    def start(self) -> bytes:
        """Return the first chunk."""
        return self._chunk({"role": "assistant", "content": ""})

    def encode(self, parts: Sequence[Part]) -> Iterator[bytes]:
        """Yield a chunk for each piece of text or of a thought."""
        for part in parts:
            match part:
                case TextDelta():
                    yield self._chunk({"content": part.delta})
                case ReasoningDelta():
                    yield self._chunk({"reasoning_content": part.delta})

    def end(self, answer: CollectedAnswer) -> bytes:
        """Return the last chunk, which has the citations."""
        reason = finish_reason(answer.reason)
        return self._chunk({}, reason, citations=answer.citations, notice=answer.notice)

    def _chunk(self, delta: Mapping[str, str], reason: str | None = None, **added: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return event({**self._head, "choices": [choice], **added})


def event(body: Any) -> bytes:
    """Encode a server-sent event."""
    return b"data: " + msgspec.json.encode(body) + b"\n\n"


def error_event(message: str, request_id: str) -> bytes:
    """Encode an error in a stream, as OpenAI's clients expect it."""
    return event({"error": {"message": message, "type": "server_error", "code": None, "request_id": request_id}})
