"""OpenAI's protocol: the client of hosted models against a loopback server that speaks it."""

import traceback
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from headwater import logs
from headwater.config import Settings
from headwater.embedding.base import Embedder
from headwater.embedding.registry import Embedders, model_dim
from headwater.errors import ConfigError, HeadwaterError, PermanentError, SystemicError, UpstreamError
from tests.fakes.echoing_provider import KEY, RESPONSES, assert_confidential, echoing_provider
from tests.fakes.embedding_provider import Answer, EmbeddingProvider, embedding_provider


@pytest.fixture
def provider() -> Iterator[EmbeddingProvider]:
    with embedding_provider(EmbeddingProvider(dim=8)) as running:
        yield running


def embedder(provider: EmbeddingProvider, **changes: Any) -> Embedder:
    values: dict[str, Any] = {"embedding_base_url": provider.url, "embedding_dim": 8, "embedding_timeout_s": 5.0}
    return Embedders(Settings(database_url="unused", **(values | changes)))("openai:small")


def test_texts_become_unit_vectors_in_order_by_one_request(provider: EmbeddingProvider) -> None:
    model = embedder(provider, openai_api_key="k")
    vectors = model.embed_documents(["a", "b", "a"])
    assert vectors.dtype == np.float32
    assert vectors.shape == (3, 8)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-6)
    assert (vectors[0] == vectors[2]).all()
    assert not (vectors[0] == vectors[1]).all()
    assert (provider.batches, provider.keys, provider.models) == ([["a", "b", "a"]], ["Bearer k"], ["small"])
    assert (model.embed_query("b") == vectors[1]).all()
    assert model.embed_documents([]).shape == (0, 8)
    assert len(provider.batches) == 2


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (401, SystemicError, "OPENAI_API_KEY"),
        (404, SystemicError, "EMBEDDING_MODEL"),
        (400, PermanentError, "rejects the text"),
        (429, UpstreamError, "rate limit"),
        (500, UpstreamError, "HTTP 500"),
        ("close", UpstreamError, "connection failed"),
        ("half", UpstreamError, "connection failed"),
        ("hang", UpstreamError, "did not finish its answer in 1 s"),
    ],
)
def test_failure_says_whether_to_retry(
    provider: EmbeddingProvider, answer: Answer, kind: type[Exception], words: str
) -> None:
    provider.answers = iter([answer])
    model = embedder(provider, embedding_timeout_s=1.0)
    with pytest.raises(kind, match=words) as raised:
        model.embed_documents(["secret words"])
    assert "secret" not in str(raised.value)
    assert len(provider.batches) == 1  # only the ledger retries
    assert model.embed_documents(["secret words"]).shape == (1, 8)


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (400, "context_length_exceeded", "longer than the model accepts"),
        (413, None, "longer than the model accepts"),
        (400, "content_filter", r"400\)\. The provider's content policy forbids it"),
        (400, "invalid_request_error", "may be too long, or against the provider's content policy"),
        (422, None, "may be too long, or against the provider's content policy"),
    ],
)
def test_refusal_says_why_and_what_to_do(provider: EmbeddingProvider, answer: Answer, code: str, words: str) -> None:
    provider.answers, provider.error_code = iter([answer]), code
    with pytest.raises(PermanentError, match=words) as raised:
        embedder(provider).embed_documents(["a"])
    assert "document" in raised.value.message
    assert "secret" not in raised.value.message


def test_vectors_are_placed_by_their_index(provider: EmbeddingProvider) -> None:
    model = embedder(provider)
    expected = model.embed_documents(["a", "b", "c"])
    provider.change = list.reverse
    assert (model.embed_documents(["a", "b", "c"]) == expected).all()


def test_vectors_without_indexes_are_in_order(provider: EmbeddingProvider) -> None:
    model = embedder(provider)
    expected = model.embed_documents(["a", "b"])
    provider.change = lambda data: [item.pop("index") for item in data]
    assert (model.embed_documents(["a", "b"]) == expected).all()


def test_wrong_index_of_a_single_text_is_ignored(provider: EmbeddingProvider) -> None:
    provider.change = lambda data: data[0].update(index=7)
    assert embedder(provider).embed_documents(["a"]).shape == (1, 8)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data[1].update(index=0), "indexes"),
        (lambda data: data[1].update(index=2), "indexes"),
        (lambda data: data[1].update(index=-1), "indexes"),
        (lambda data: data[1].pop("index"), "indexes"),
        (lambda data: data.pop(), "indexes"),
        (lambda data: data.append(data[0]), "indexes"),
        (lambda data: data[1].update(embedding=None), "vectors"),
        (lambda data: data[1].update(embedding=[1.0]), "vectors"),
        (lambda data: data[1].pop("embedding"), "vectors"),
    ],
)
def test_wrong_vectors_are_refused(provider: EmbeddingProvider, change: Any, words: str) -> None:
    provider.change = change
    with pytest.raises(PermanentError, match=words):
        embedder(provider).embed_documents(["a", "b"])


def test_answer_without_vectors_is_an_upstream_error(provider: EmbeddingProvider) -> None:
    provider.change = list.clear
    with pytest.raises(UpstreamError, match="EMBEDDING_BASE_URL"):
        embedder(provider).embed_documents(["a", "b"])


def test_retry_after_is_passed_on(provider: EmbeddingProvider) -> None:
    provider.answers = iter([429])
    provider.retry_after_s = 17
    with pytest.raises(UpstreamError) as raised:
        embedder(provider).embed_documents(["a"])
    assert raised.value.retry_after_s == 17


def test_vectors_of_another_length_are_rejected(provider: EmbeddingProvider) -> None:
    with pytest.raises(SystemicError, match="EMBEDDING_DIM"):
        embedder(provider, embedding_dim=9).embed_documents(["a"])


def test_length_is_asked_of_models_that_can_shorten_their_vectors(provider: EmbeddingProvider) -> None:
    settings = Settings(
        database_url="unused", embedding_base_url=provider.url, embedding_dim=8, embedding_timeout_s=5.0
    )
    for name in ("openai:text-embedding-3-small", "openai:unheard-of"):
        assert Embedders(settings)(name).embed_documents(["a"]).shape == (1, 8)
    assert provider.dimensions == [8, None]


def test_missing_settings_are_reported_before_any_request() -> None:
    settings = Settings(database_url="unused")
    assert model_dim("openai:text-embedding-3-small", settings) == 1536
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        model_dim("openai:unheard-of", settings)
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        Embedders(settings)("openai:text-embedding-3-small")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # sockets of broken responses
def test_key_that_a_provider_sends_back_is_in_no_error_and_no_log(capsys: pytest.CaptureFixture[str]) -> None:
    with echoing_provider() as echoing:
        values: dict[str, Any] = {"embedding_base_url": f"{echoing.url}/v1", "openai_api_key": KEY}
        settings = Settings(database_url="unused", embedding_dim=8, embedding_timeout_s=30.0, **values)
        logs.configure("DEBUG", secrets=settings.secrets)
        for place, response in RESPONSES.items():
            embedder = Embedders(settings)("openai:small")  # without a connection that the server has closed
            echoing.requests, echoing.response = 0, response
            with pytest.raises(HeadwaterError) as raised:
                embedder.embed_documents(["words"])
            assert echoing.requests, place
            logs.event("step.failed", error=raised.value)
            assert_confidential(raised.value.message + "".join(traceback.format_exception(raised.value)))
            captured = capsys.readouterr()
            assert "step.failed" in captured.out, place
            assert_confidential(captured.out + captured.err)
