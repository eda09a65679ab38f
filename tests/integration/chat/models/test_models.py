"""Language models: LangChain's real clients against a loopback server that speaks the providers' protocols."""

import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from functions.chat.answers.pieces import Finish, Piece, Used
from functions.chat.answers.prompt import INSTRUCTIONS, ModelInput, Turn
from functions.chat.models.models import load_model
from headwater import logs
from headwater.config import Settings
from headwater.errors import HeadwaterError, PermanentError, UpstreamError
from headwater.usage.record import Tokens
from tests.fakes.chat_provider import FakeProvider, fake_passage, fake_provider
from tests.fakes.echoing_provider import KEY, RESPONSES, assert_confidential, echoing_provider

ASKED = ModelInput("How?", "How?", [Turn("user", "Hello"), Turn("assistant", "Hello!")], [fake_passage("Run pip.")])


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with fake_provider() as provider:
        yield provider


def settings(provider: FakeProvider, model: str, **changes: Any) -> Settings:
    urls = {"openai_base_url": f"{provider.url}/v1", "anthropic_base_url": provider.url}
    keys = {"openai_api_key": "key-o", "anthropic_api_key": "key-a"}
    return Settings(database_url="unused", chat_model=model, **(urls | keys | changes))


def answer(provider: FakeProvider, model: str) -> list[Piece]:
    return list(load_model(settings(provider, model)).answer(ASKED))


@pytest.mark.parametrize(("model", "key"), [("openai:fake", "key-o"), ("anthropic:fake", "key-a")])
def test_answer_streams_token_by_token(provider: FakeProvider, model: str, key: str) -> None:
    provider.pieces = ["Run", " pip", " [1]."]
    used = Used(model, Tokens(input=100, cached=60, output=30, reasoning=10))
    assert answer(provider, model) == ["Run", " pip", " [1].", used, Finish("stop")]
    assert provider.keys == [f"Bearer {key}"]
    [asked] = provider.requests
    assert (asked["model"], asked["stream"]) == ("fake", True)


def test_openai_receives_instructions_history_and_passages(provider: FakeProvider) -> None:
    answer(provider, "openai:fake")
    sent = [(message["role"], message["content"]) for message in provider.requests[0]["messages"]]
    assert sent[:3] == [("system", INSTRUCTIONS), ("user", "Hello"), ("assistant", "Hello!")]
    assert sent[3][0] == "user"
    assert "Run pip." in sent[3][1]
    assert sent[3][1].endswith("Question: How?")


def test_own_server_needs_no_key(provider: FakeProvider) -> None:
    model = load_model(settings(provider, "openai:llama3.2:3b", openai_api_key=""))
    assert list(model.answer(ASKED))[:2] == ["Yes", " [1]."]
    assert provider.requests[0]["model"] == "llama3.2:3b"


@pytest.mark.parametrize("model", ["openai:fake", "anthropic:fake"])
@pytest.mark.parametrize(
    ("status", "kind", "advice", "tries"),
    [
        (401, PermanentError, "_API_KEY", 1),
        (404, PermanentError, "_BASE_URL", 1),
        (400, PermanentError, "HTTP 400", 1),
        (429, UpstreamError, "Try again in a minute", 3),
        (500, UpstreamError, "Try again in a few minutes", 3),
    ],
)
def test_provider_error_gives_advice_and_hides_its_text(
    provider: FakeProvider, model: str, status: int, kind: type[HeadwaterError], advice: str, tries: int
) -> None:
    provider.status = status
    with pytest.raises(kind, match=advice) as caught:
        answer(provider, model)
    assert "secret words" not in caught.value.message
    assert len(provider.requests) == tries


@pytest.mark.parametrize("model", ["openai:fake", "anthropic:fake"])
@pytest.mark.parametrize("ends", ["early", "broken"])
def test_broken_stream_raises_after_its_tokens(provider: FakeProvider, model: str, ends: str) -> None:
    provider.ends = ends
    pieces = load_model(settings(provider, model)).answer(ASKED)
    assert [next(pieces), next(pieces)] == ["Yes", " [1]."]
    with pytest.raises(UpstreamError, match="connection"):
        next(pieces)


def test_unreachable_provider_is_an_upstream_error() -> None:
    with fake_provider() as gone:
        pass
    with pytest.raises(UpstreamError, match="connection"):
        answer(gone, "openai:fake")


@pytest.mark.parametrize("model", ["openai:fake", "anthropic:fake"])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # sockets of broken responses
def test_key_that_a_provider_sends_back_is_in_no_error_and_no_log(
    model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with echoing_provider() as echoing:
        urls: dict[str, Any] = {"openai_base_url": f"{echoing.url}/v1", "anthropic_base_url": echoing.url}
        configured = Settings(
            database_url="unused", chat_model=model, openai_api_key=KEY, anthropic_api_key=KEY, chat_timeout_s=5, **urls
        )
        logs.configure("DEBUG", secrets=configured.secrets)
        loaded = load_model(configured)
        for place, response in RESPONSES.items():
            echoing.requests, echoing.response = 0, response
            with pytest.raises(HeadwaterError) as raised:
                list(loaded.answer(ASKED))
            assert echoing.requests, place
            logs.event("answer.failed", error=raised.value)
            assert_confidential(raised.value.message + "".join(traceback.format_exception(raised.value)))
            captured = capsys.readouterr()
            assert "model.failed" in captured.out, place
            assert_confidential(captured.out + captured.err)
