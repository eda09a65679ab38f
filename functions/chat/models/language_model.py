"""A provider's language model, called through LangChain."""

import gc
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from functions.chat.answers.pieces import Finish, Piece, Used
from functions.chat.answers.prompt import ModelInput, ModelMisconfigured, Tool, Turn, build_messages
from functions.chat.models.chunks import ChunkReader
from functions.chat.models.provider_errors import is_in_stream, status_of, translate_error
from functions.chat.models.providers import PROVIDERS
from functions.chat.models.stream_end import done_was_sent
from functions.chat.models.structured import JsonReader, json_options
from headwater import logs
from headwater.config import Settings
from headwater.errors import ConfigError, HeadwaterError, UpstreamError
from headwater.outbound.deadline import Deadline, is_not_wanted

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel, LanguageModelInput
    from langchain_core.messages import AIMessageChunk

MAX_RETRIES = 2
"""Retries by a provider's own client before the first token, on 429, 5xx and connection errors."""


class LanguageModel:
    """A language model. Raises ConfigError if its provider is unknown or a setting is missing.

    With `is_only`, failed calls are repeated before the first token; otherwise the caller tries another model.
    """

    configured = True

    def __init__(self, settings: Settings, name: str, *, is_only: bool = True) -> None:
        self.settings = settings
        self.name = name
        self.provider, _, self.model = name.partition(":")
        self.is_only = is_only
        if self.provider not in PROVIDERS or not self.model:
            known = ", ".join(f"{provider}:MODEL" for provider in PROVIDERS)
            raise ConfigError(f"CHAT_MODELS: {name!r} is unknown. Set CHAT_MODELS to extractive, or to {known}.")
        if missing := PROVIDERS[self.provider].missing(settings):
            raise ConfigError(f"{' and '.join(missing)} is missing for the model {name}. Set it, or other CHAT_MODELS.")

    @cached_property
    def _client(self) -> "BaseChatModel":
        client = PROVIDERS[self.provider].connect(self.settings, self.model, MAX_RETRIES if self.is_only else 0)
        leave_arguments_unparsed()
        # A provider's package has 100,000 objects, which a full garbage collection would visit: 75 ms for all streams.
        gc.freeze()
        return client

    def warm(self) -> None:
        """Import the provider's package and build the client, on a thread of its own."""
        if "_client" not in self.__dict__:
            threading.Thread(target=self._build, name="warm-model", daemon=True).start()

    def _build(self) -> None:
        with suppress(Exception):  # the answer raises it again, and says what to do
            _ = self._client

    def answer(self, model_input: ModelInput) -> Generator[Piece, None, None]:
        """Yield the answer to a question from passages, as `stream` does."""
        caller = model_input.caller
        yield from self.stream(build_messages(model_input), caller.tools, caller.tool_choice)

    def stream(
        self, turns: Sequence[Turn], tools: Sequence[Tool] = (), tool_choice: str = ""
    ) -> Generator[Piece, None, None]:
        """Yield an answer piece by piece, then calls of tools, what was used if the provider tells it, and `Finish`.

        `tool_choice` is that of `CallerInput`. Raises UpstreamError or PermanentError (ModelMisconfigured for a
        setting) that say what to do. If the provider of an only model fails in the stream before the first piece, the
        question is sent once more.
        """
        yield from self.stream_messages(self._messages(turns), tools, ChunkReader, tool_choice)

    def stream_messages(
        self,
        messages: "LanguageModelInput",
        tools: Sequence[Tool],
        new_reader: Callable[[], ChunkReader],
        tool_choice: str = "",
    ) -> Generator[Piece, None, None]:
        """Yield the answer to LangChain's messages in the same way, read by a reader from `new_reader`."""
        yield from self._stream(messages, new_reader(), lambda client: _tool_options(client, tools, tool_choice))

    def write_json(self, turns: Sequence[Turn], schema: Mapping[str, Any], /) -> Generator[Piece, None, None]:
        """Yield JSON text by a schema in the same way; its `title` names it. The text may break the schema."""
        reader = JsonReader()

        def options(client: "BaseChatModel") -> dict[str, Any]:
            chosen, reader.calls_tool = json_options(client, self.provider, schema)
            return chosen

        yield from self._stream(self._messages(turns), reader, options)

    def _stream(
        self,
        messages: "LanguageModelInput",
        reader: ChunkReader,
        options: Callable[["BaseChatModel"], dict[str, Any]],
    ) -> Generator[Piece, None, None]:
        for attempt in range(2):
            try:
                yield from self._read(messages, options, reader)
                break
            except Exception as error:  # noqa: BLE001 - every provider's client has its own errors
                if is_not_wanted(error):
                    return
                if reader.is_end(error):
                    break
                if isinstance(error, ConfigError):  # the client can't be built
                    raise ModelMisconfigured(error.message) from None
                # The provider's message is not logged: it may quote the prompt.
                kind = f"{type(error).__module__}.{type(error).__qualname__}"
                logs.event("model.failed", severity=30, model=self.name, kind=kind, status=status_of(error))
                if attempt or not self.is_only or reader.chars or not is_in_stream(error):
                    raise self._translate(error, has_begun=bool(reader.chars)) from None
        if reader.has_failed or not (reader.reason or done_was_sent()):
            title = PROVIDERS[self.provider].title
            raise UpstreamError(f"{title} ended the connection before the answer was complete. Try again.")
        yield from reader.rest()
        if reader.tokens.output:
            yield Used(self.name, reader.tokens)
        yield Finish(reader.finish_reason)

    def _read(
        self,
        messages: "LanguageModelInput",
        options: Callable[["BaseChatModel"], dict[str, Any]],
        reader: ChunkReader,
    ) -> Generator[Piece, None, None]:
        """Yield text and thoughts within the limits of the first token and of silence. Raises the client's errors."""
        client, deadline = self._client, Deadline(self.settings.chat_first_token_s)
        chosen = options(client)
        with deadline.apply():
            for chunk in _stream_chunks(client, messages, chosen):
                yield from reader.read(chunk)
                if reader.chars:
                    deadline.restart(self.settings.chat_silence_s)

    def _translate(self, error: Exception, *, has_begun: bool) -> HeadwaterError:
        limit = "CHAT_SILENCE_S" if has_begun else "CHAT_FIRST_TOKEN_S"
        return translate_error(error, self.provider, self.name, self._base_url, limit)

    @property
    def _base_url(self) -> str:
        """The base URL if the installation has set one."""
        name = PROVIDERS[self.provider].url
        default = Settings.__dataclass_fields__[name].default
        value = str(getattr(self.settings, name))
        return "" if value == default else value

    def _messages(self, turns: Sequence[Turn]) -> "LanguageModelInput":
        """Return the messages. Anthropic is told what to cache; others cache what prompts have in common by themselves.

        Source: Anthropic, "Prompt caching": at most four places in a prompt.
        """
        content = _cached if self.provider == "anthropic" else _text
        return [{"role": turn.role, "content": content(turn), **_tool_fields(turn)} for turn in turns]


def leave_arguments_unparsed() -> None:
    """Keep LangChain from parsing the arguments of calls in chunks of this process: their `tool_calls` have none.

    Readers take `tool_call_chunks`. LangChain parses the arguments whenever it makes a chunk or adds chunks, as JSON
    that is not complete yet. For pieces that are no JSON, such as all but the first, its time grows with the square of
    their length: 0.01 s for 2,000 characters, a minute for 180,000.
    """
    from langchain_core.messages import ai

    vars(ai)["parse_partial_json"] = lambda _: {}


def _tool_options(client: "BaseChatModel", tools: Sequence[Tool], tool_choice: str) -> dict[str, Any]:
    """Return the options of a call with tools, in the form of the client's provider."""
    choice = {"tool_choice": tool_choice} if tool_choice else {}
    bound: Any = client.bind_tools([dict(tool) for tool in tools], **choice) if tools else None
    return dict(bound.kwargs) if bound else {}


def _tool_fields(turn: Turn) -> dict[str, Any]:
    """Return the fields of a message with calls of tools, or with the result of one, in OpenAI's form."""
    if turn.role == "tool":
        return {"tool_call_id": turn.call_id}
    functions = [(call.id, {"name": call.name, "arguments": call.arguments}) for call in turn.calls]
    calls = [{"id": id_, "type": "function", "function": function} for id_, function in functions]
    return {"tool_calls": calls} if calls else {}


def _stream_chunks(
    client: "BaseChatModel", messages: "LanguageModelInput", options: Mapping[str, Any]
) -> "Iterator[AIMessageChunk]":
    """Yield the chunks of a reply, as `client.stream` does, which keeps them all until its end.

    With a hundred replies these are so many objects that a garbage collection stops all of them for 0.1 s. Raises
    ValueError if there are no chunks, as it does.
    """
    from langchain_core.language_models._utils import _normalize_messages

    chunk = None
    for chunk in client._stream(_normalize_messages(client._convert_input(messages).to_messages()), **options):
        message = cast("AIMessageChunk", chunk.message)
        message.response_metadata = {**(chunk.generation_info or {}), **message.response_metadata}
        yield message
    if chunk is None:
        raise ValueError("The provider sent no chunks.")


def _text(turn: Turn) -> str:
    return turn.text


def _cached(turn: Turn) -> str | list[dict[str, Any]]:
    """Return a turn's content as Anthropic has it, with the mark that caches its beginning."""
    if not turn.cache_to:
        return turn.text
    beginning: dict[str, Any] = {"type": "text", "text": turn.text[: turn.cache_to]}
    blocks = [{**beginning, "cache_control": {"type": "ephemeral"}}]
    rest = turn.text[turn.cache_to :]
    return [*blocks, {"type": "text", "text": rest}] if rest else blocks
