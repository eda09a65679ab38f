"""Each provider's own client against a loopback server that speaks its wire protocol."""

import json
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from functions.chat.answers.pieces import Finish, Piece, Thought, ToolCall, Used
from functions.chat.answers.prompt import ModelMisconfigured, Turn
from functions.chat.models.chunks import ChunkReader
from functions.chat.models.language_model import LanguageModel
from functions.chat.streams.ui_message_stream import FinishReason
from headwater.config import Settings
from headwater.errors import HeadwaterError, UpstreamError
from headwater.usage.record import Tokens
from tests.fakes.chat_provider import FakeProvider, fake_provider
from tests.fakes.google_token import service_account_key

if TYPE_CHECKING:
    from langchain_core.messages import AIMessageChunk

URLS = {
    "anthropic": "",
    "azure_openai": "",
    "google_genai": "",
    "groq": "",
    "mistralai": "/v1",
    "ollama": "",
    "openai": "/v1",
    "openai_compatible": "/v1",
    "openrouter": "/api/v1",
    "vertexai": "",
}
"""Each provider, and the path of its base URL."""

OPENAI_LIKE = ("azure_openai", "mistralai", "ollama", "openai", "openai_compatible", "openrouter")
TURNS = [Turn("system", "Be brief."), Turn("user", "How?")]
TOKENS = Tokens(input=100, cached=60, output=30, reasoning=10)
TOOL = {
    "type": "function",
    "function": {
        "name": "find",
        "description": "Find a page.",
        "parameters": {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]},
    },
}


@pytest.fixture(scope="module")
def server() -> Iterator[FakeProvider]:
    with fake_provider() as provider:
        yield provider


@pytest.fixture
def provider(server: FakeProvider) -> FakeProvider:
    """The server with the default script. Clients are kept, as they take long to import and build."""
    fresh = FakeProvider(url=server.url)
    for name, value in vars(fresh).items():
        setattr(server, name, value)
    return server


def settings(provider: FakeProvider, **changes: Any) -> Settings:
    prefixes = {"google_genai": "google", "mistralai": "mistral"}
    urls = {f"{prefixes.get(name, name)}_base_url": provider.url + path for name, path in URLS.items()}
    keys = ("anthropic", "azure_openai", "google", "groq", "mistral", "openai", "openai_compatible", "openrouter")
    urls["azure_openai_endpoint"] = urls.pop("azure_openai_base_url")
    values: dict[str, Any] = {
        "vertexai_location": "global",
        **urls,
        **{f"{name}_api_key": f"key-{name}" for name in keys},
    }
    values["vertexai_service_account"] = service_account_key(f"{provider.url}/token")
    return Settings(database_url="unused", google_cloud_project="project", **(values | changes))


_models: dict[str, LanguageModel] = {}


def model(provider: FakeProvider, name: str) -> LanguageModel:
    if name not in _models:
        _models[name] = LanguageModel(settings(provider), f"{name}:gemini-2.5-flash", is_only=False)
    return _models[name]


def ask(provider: FakeProvider, name: str, **options: Any) -> list[Piece]:
    return list(model(provider, name).stream(TURNS, **options))


def text_of(pieces: list[Piece]) -> str:
    return "".join(piece for piece in pieces if isinstance(piece, str))


@pytest.mark.parametrize("name", URLS)
def test_answer_has_thoughts_text_usage_and_end(provider: FakeProvider, name: str) -> None:
    provider.thoughts = ("First ", "this.")
    provider.pieces = ["Run", " pip", " [1]."]
    pieces = ask(provider, name)
    assert "".join(piece.text for piece in pieces if isinstance(piece, Thought)) == (
        "" if name == "azure_openai" else "First this."
    )
    assert text_of(pieces) == "Run pip [1]."
    assert pieces[-2:] == [Used(f"{name}:gemini-2.5-flash", TOKENS), Finish("stop")]


def test_request_has_the_path_key_and_model_of_the_provider(provider: FakeProvider) -> None:
    for name in URLS:
        ask(provider, name)
    model_path = "/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
    asked = [path for path in provider.paths if path != "/token"]
    assert dict(zip(URLS, asked, strict=True)) == {
        "anthropic": "/v1/messages",
        "azure_openai": "/openai/deployments/gemini-2.5-flash/chat/completions?api-version=2024-10-21",
        "google_genai": f"/v1beta{model_path}",
        "groq": "/openai/v1/chat/completions",
        "mistralai": "/v1/chat/completions",
        "ollama": "/v1/chat/completions",
        "openai": "/v1/chat/completions",
        "openai_compatible": "/v1/chat/completions",
        "openrouter": "/api/v1/chat/completions",
        "vertexai": f"/v1beta1/projects/project/locations/global/publishers/google{model_path}",
    }
    keys = dict(zip(URLS, provider.keys[-len(URLS) :], strict=True))
    assert (keys["anthropic"], keys["google_genai"], keys["azure_openai"]) == (
        "Bearer key-anthropic",
        "key-google",
        "key-azure_openai",
    )
    assert (keys["ollama"], keys["groq"], keys["vertexai"]) == ("Bearer none", "Bearer key-groq", "Bearer token-1")


@pytest.mark.parametrize("name", URLS)
def test_tool_call_is_joined_from_its_pieces(provider: FakeProvider, name: str) -> None:
    provider.pieces, provider.tool = [], ("call_1", "find", '{"q": ', '"ünïcode"}')
    pieces = ask(provider, name, tools=[TOOL])
    [call] = [piece for piece in pieces if isinstance(piece, ToolCall)]
    assert (call.name, json.loads(call.arguments)) == ("find", {"q": "ünïcode"})
    assert pieces[-1] == Finish("tool-calls")
    assert "find" in json.dumps(provider.requests[-1])


class ParsedArguments(ChunkReader):
    """Records the arguments that LangChain has parsed."""

    def __init__(self) -> None:
        super().__init__()
        self.parsed: list[dict[str, Any]] = []

    def read(self, chunk: "AIMessageChunk") -> Iterator[str | Thought]:
        """Read a chunk, and record the arguments of its calls."""
        self.parsed += [call["args"] for call in chunk.tool_calls]
        return super().read(chunk)


@pytest.mark.parametrize("name", URLS)
def test_arguments_of_a_call_are_not_parsed_with_each_chunk(provider: FakeProvider, name: str) -> None:
    """LangChain would take a minute for 180,000 characters that are no JSON."""
    provider.pieces, provider.tool = [], ("call_1", "find", '{"q": "coat"}')
    reader = ParsedArguments()
    [call, *_] = model(provider, name).stream_messages("How?", [TOOL], lambda: reader)
    assert isinstance(call, ToolCall)
    assert json.loads(call.arguments) == {"q": "coat"}
    assert reader.parsed
    assert not any(reader.parsed)


@pytest.mark.parametrize("name", URLS)
def test_result_of_a_tool_and_the_choice_reach_the_provider(provider: FakeProvider, name: str) -> None:
    call = ToolCall("call_1", "find", '{"q": "coat"}')
    rounds = [Turn("assistant", "I look.", calls=[call]), Turn("tool", "It snows.", call_id="call_1")]
    pieces = list(model(provider, name).stream([*TURNS, *rounds], [TOOL], "find"))
    assert pieces[-1] == Finish("stop")
    sent = json.dumps(provider.requests[-1])
    assert all(words in sent for words in ("I look.", "coat", "It snows."))
    choices = [value for key, value in provider.requests[-1].items() if key in ("tool_choice", "toolConfig")]
    assert "find" in json.dumps(choices)


STRUCTURED = {
    "anthropic": ("claude-sonnet-5-5", "output_config"),
    "azure_openai": ("gpt-5", "response_format"),
    "google_genai": ("gemini-2.5-flash", "generationConfig"),
    "mistralai": ("mistral-large-latest", "tools"),
    "groq": ("openai/gpt-oss-20b", "tools"),
    "ollama": ("qwen3", "tools"),
    "openai": ("gpt-5", "response_format"),
    "openai_compatible": ("own", "tools"),
    "vertexai": ("gemini-2.5-flash", "generationConfig"),
}
"""A model of a provider, and the field of the request that asks for JSON: its structured output, or else a tool."""

SCHEMA = {
    "title": "answer",
    "type": "object",
    "properties": {"price": {"type": "number"}},
    "required": ["price"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("name", STRUCTURED)
def test_json_is_asked_for_in_the_form_of_the_provider(provider: FakeProvider, name: str) -> None:
    named, asked_by = STRUCTURED[name]
    provider.thoughts = ("Hm.",)
    if asked_by == "tools":
        provider.pieces, provider.tool = ["I write it."], ("call_1", "answer", '{"pri', 'ce": 1.5}')
    else:
        provider.pieces = ['{"pri', 'ce": 1.5}']
    structured = LanguageModel(settings(provider), f"{name}:{named}", is_only=False)
    pieces = list(structured.write_json(TURNS, SCHEMA))
    assert json.loads(text_of(pieces)) == {"price": 1.5}
    assert pieces[-2:] == [Used(f"{name}:{named}", TOKENS), Finish("stop")]
    assert "price" in json.dumps(provider.requests[-1][asked_by])


@pytest.mark.parametrize("name", ["anthropic", "openai_compatible"])
def test_text_in_place_of_a_call_is_read(provider: FakeProvider, name: str) -> None:
    provider.pieces = ['{"price":', " 2}"]
    pieces = list(LanguageModel(settings(provider), f"{name}:own", is_only=False).write_json(TURNS, SCHEMA))
    assert (text_of(pieces), pieces[-1]) == ('{"price": 2}', Finish("stop"))


@pytest.mark.parametrize("name", ["anthropic", "google_genai", "openai"])
def test_json_that_is_cut_is_told(provider: FakeProvider, name: str) -> None:
    provider.pieces, provider.finish = ['{"pri'], "MAX_TOKENS" if name == "google_genai" else "length"
    structured = LanguageModel(settings(provider), f"{name}:{STRUCTURED[name][0]}", is_only=False)
    pieces = list(structured.write_json(TURNS, SCHEMA))
    assert (text_of(pieces), pieces[-1]) == ('{"pri', Finish("length"))


@pytest.mark.parametrize("name", URLS)
def test_every_cut_of_a_utf8_character_keeps_the_text(provider: FakeProvider, name: str) -> None:
    provider.pieces, provider.write_bytes = ["é€😀", "ß"], 1
    assert text_of(ask(provider, name)) == "é€😀ß"


@pytest.mark.parametrize("name", ["anthropic", "google_genai", "groq", "openai"])
@pytest.mark.parametrize(
    ("finish", "reason"), [("length", "length"), ("max_tokens", "length"), ("SAFETY", "content-filter")]
)
def test_early_end_is_told(provider: FakeProvider, name: str, finish: str, reason: FinishReason) -> None:
    provider.finish = finish if name != "google_genai" else {"length": "MAX_TOKENS"}.get(finish, finish.upper())
    assert ask(provider, name)[-1] == Finish(reason)


@pytest.mark.parametrize("name", ["openai", "openrouter"])
def test_refusal_is_text(provider: FakeProvider, name: str) -> None:
    provider.pieces, provider.refusal, provider.finish = [], "I can't help with that.", "content_filter"
    pieces = ask(provider, name)
    assert (text_of(pieces), pieces[-1]) == ("I can't help with that.", Finish("content-filter"))


@pytest.mark.parametrize("name", URLS)
@pytest.mark.parametrize(("status", "kind"), [(429, UpstreamError), (529, UpstreamError), (404, ModelMisconfigured)])
def test_error_before_the_stream_is_translated(
    provider: FakeProvider, name: str, status: int, kind: type[HeadwaterError]
) -> None:
    provider.status, provider.retry_after = status, "7"
    before = len(provider.requests)
    with pytest.raises(kind) as caught:
        ask(provider, name)
    assert len(provider.requests) == before + 1
    if isinstance(caught.value, UpstreamError):
        assert caught.value.retry_after_s == 7
    assert "secret words" not in caught.value.message


@pytest.mark.parametrize("name", ["anthropic", "google_genai", "groq", "openai", "vertexai"])
@pytest.mark.parametrize("ends", ["early", "broken"])
def test_broken_stream_keeps_its_text_and_fails(provider: FakeProvider, name: str, ends: str) -> None:
    provider.ends = ends
    pieces = model(provider, name).stream(TURNS)
    assert [next(pieces), next(pieces)] == ["Yes", " [1]."]
    with pytest.raises(UpstreamError):
        list(pieces)


@pytest.mark.parametrize("name", ["anthropic", "google_genai", "groq", "openai"])
def test_slow_first_token_exceeds_its_own_limit(provider: FakeProvider, name: str) -> None:
    impatient = LanguageModel(settings(provider, chat_first_token_s=0.1), f"{name}:m", is_only=False)
    assert impatient._client  # built before the time begins
    provider.wait = threading.Event()
    with pytest.raises(UpstreamError, match="CHAT_FIRST_TOKEN_S"):
        list(impatient.stream(TURNS))
    provider.wait.set()


def test_silence_exceeds_its_own_limit(provider: FakeProvider) -> None:
    impatient = LanguageModel(settings(provider, chat_silence_s=0.1), "openai:m", is_only=False)
    provider.wait, provider.wait_after = threading.Event(), 1
    pieces = impatient.stream(TURNS)
    assert next(pieces) == "Yes"
    with pytest.raises(UpstreamError, match="CHAT_SILENCE_S"):
        next(pieces)
    provider.wait.set()


def test_anthropic_is_told_what_to_cache(provider: FakeProvider) -> None:
    turns = [Turn("system", "Be brief.", cache_to=9), Turn("user", "Passages: x. Question: y", cache_to=12)]
    list(model(provider, "anthropic").stream(turns))
    mark = {"type": "ephemeral"}
    sent = provider.requests[-1]
    assert sent["system"] == [{"type": "text", "text": "Be brief.", "cache_control": mark}]
    assert sent["messages"][0]["content"] == [
        {"type": "text", "text": "Passages: x.", "cache_control": mark},
        {"type": "text", "text": " Question: y"},
    ]
