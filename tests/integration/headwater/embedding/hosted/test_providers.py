"""Providers of hosted embedding models: the real client against loopback servers that speak their protocols."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from headwater.config import Settings
from headwater.embedding.hosted.embedder import MAX_KEPT_TEXTS, HostedEmbedder
from headwater.embedding.hosted.metering import metered
from headwater.embedding.hosted.providers import pause_name
from headwater.embedding.registry import Embedders, model_dim
from headwater.errors import ConfigError, PermanentError, SystemicError, UpstreamError
from tests.fakes.embedding_apis import DIM, EmbeddingApis, Request, embedding_apis, texts_of, vector

KEYS = {
    "google_api_key": "g-key",
    "mistral_api_key": "m-key",
    "cohere_api_key": "c-key",
    "azure_openai_api_key": "a-key",
}
URLS = ("google_base_url", "vertexai_base_url", "cohere_base_url", "ollama_base_url", "azure_openai_endpoint")


class Case(NamedTuple):
    """A model, and what its provider must receive."""

    name: str
    path: str
    header: tuple[str, str]
    query: dict[str, Any]
    document: dict[str, Any]
    prefixes: tuple[str, str] = ("", "")
    texts: int = 3
    """Texts of a request, of three that are embedded."""


VERTEX = "/v1/projects/p/locations/europe-west4/publishers/google/models/"
TOKEN = ("authorization", "Bearer token-of-the-service-account")
GOOGLE_PREFIXES = ("task: search result | query: ", "title: none | text: ")
CASES = [
    Case(
        "google_genai:gemini-embedding-001",
        "/v1beta/models/gemini-embedding-001:batchEmbedContents",
        ("x-goog-api-key", "g-key"),
        {"taskType": "RETRIEVAL_QUERY"},
        {"taskType": "RETRIEVAL_DOCUMENT"},
    ),
    Case(
        "google_genai:gemini-embedding-2",
        "/v1beta/models/gemini-embedding-2:batchEmbedContents",
        ("x-goog-api-key", "g-key"),
        {"taskType": None},
        {"taskType": None},
        GOOGLE_PREFIXES,
    ),
    Case(
        "vertexai:text-embedding-005",
        f"{VERTEX}text-embedding-005:predict",
        TOKEN,
        {"task_type": "RETRIEVAL_QUERY"},
        {"task_type": "RETRIEVAL_DOCUMENT"},
    ),
    Case(
        "vertexai:gemini-embedding-001",
        f"{VERTEX}gemini-embedding-001:predict",
        TOKEN,
        {"task_type": "RETRIEVAL_QUERY"},
        {"task_type": "RETRIEVAL_DOCUMENT"},
        texts=1,
    ),
    Case(
        "vertexai:gemini-embedding-2",
        f"{VERTEX}gemini-embedding-2:embedContent",
        TOKEN,
        {},
        {},
        GOOGLE_PREFIXES,
        texts=1,
    ),
    Case("mistralai:mistral-embed", "/v1/embeddings", ("authorization", "Bearer m-key"), {}, {}),
    Case(
        "cohere:embed-v4.0",
        "/v2/embed",
        ("authorization", "Bearer c-key"),
        {"input_type": "search_query", "truncate": "NONE"},
        {"input_type": "search_document", "truncate": "NONE"},
    ),
    Case(
        "ollama:nomic-embed-text:v1.5",
        "/api/embed",
        ("content-type", "application/json"),
        {"truncate": False},
        {"truncate": False},
        ("search_query: ", "search_document: "),
    ),
    Case(
        "azure_openai:my-deployment",
        "/openai/deployments/my-deployment/embeddings?api-version=2024-10-21",
        ("api-key", "a-key"),
        {},
        {},
    ),
]


@pytest.fixture
def apis() -> Iterator[EmbeddingApis]:
    with embedding_apis() as running:
        yield running


@pytest.fixture(scope="module")
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.fixture
def settings(apis: EmbeddingApis, private_key: str) -> Settings:
    account = {
        "type": "service_account",
        "client_email": "e@p",
        "private_key": private_key,
        "token_uri": f"{apis.url}/token",
    }
    values: dict[str, Any] = {**KEYS, **dict.fromkeys(URLS, apis.url), "mistral_base_url": f"{apis.url}/v1"}
    return Settings(
        database_url="unused",
        embedding_dim=DIM,
        vertexai_project="p",
        vertexai_location="europe-west4",
        vertexai_service_account=json.dumps(account),
        embedding_timeout_s=10.0,
        **values,
    )


def without_tokens(apis: EmbeddingApis) -> list[Request]:
    return [request for request in apis.requests if request.path != "/token"]


def options(request: Request) -> dict[str, Any]:
    """Return the fields of a request, with those of its first text."""
    body = request.body
    return {**body, **(body.get("requests") or body.get("instances") or [{}])[0], **body.get("parameters", {})}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_provider_gets_questions_and_documents_in_its_own_protocol(
    apis: EmbeddingApis, settings: Settings, case: Case
) -> None:
    model = Embedders(settings)(case.name)
    with metered() as meter:
        documents = model.embed_documents(["one", "two words", "three ☃ words"])
    sent = without_tokens(apis)
    assert {request.path for request in sent} == {case.path}
    assert [len(texts_of(request)) for request in sent] == [case.texts] * (3 // case.texts)
    expected = np.array([vector(case.prefixes[1] + text) for text in ("one", "two words", "three ☃ words")])
    assert np.allclose(documents, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-6)
    name, value = case.header
    assert all(request.headers[name] == value for request in sent)
    assert all({key: options(request).get(key) for key in case.document} == case.document for request in sent)
    words = 6 + 3 * len(case.prefixes[1].split())
    estimated = sum(max(1, len(text.encode()) // 3) for text in ("one", "two words", "three ☃ words"))
    assert meter.calls == len(sent)
    is_counted = not case.name.startswith("google_genai:")  # the Gemini API doesn't say
    assert meter.tokens == (words if is_counted else estimated)

    del apis.requests[:]
    question = model.embed_query("why")
    [asked] = without_tokens(apis)
    assert texts_of(asked) == [case.prefixes[0] + "why"]
    assert {key: options(asked).get(key) for key in case.query} == case.query
    assert np.linalg.norm(question) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "field"),
    [
        *(
            ("google_genai:gemini-embedding-001", "outputDimensionality"),
            ("vertexai:text-embedding-005", "outputDimensionality"),
        ),
        *(("mistralai:codestral-embed", "output_dimension"), ("cohere:embed-v4.0", "output_dimension")),
        *(("ollama:any", "dimensions"), ("azure_openai:any", "dimensions"), ("openai:any", "dimensions")),
    ],
)
def test_name_says_how_long_vectors_are(apis: EmbeddingApis, settings: Settings, name: str, field: str) -> None:
    model = HostedEmbedder(f"{name}#5", replace(settings, embedding_base_url=f"{apis.url}/v1"))
    assert model.embed_documents(["a"]).shape == (1, 5)
    assert options(without_tokens(apis)[-1])[field] == 5


def test_unknown_length_is_asked_once_and_known_ones_never(apis: EmbeddingApis, settings: Settings) -> None:
    settings = replace(settings, embedding_dim=0)
    assert model_dim("ollama:unknown-model", settings) == DIM
    assert [texts_of(request) for request in apis.requests] == [["Self-test"]]
    assert model_dim("cohere:embed-v4.0", settings) == 1536
    assert model_dim("ollama:unknown-model#77", settings) == 77
    assert len(apis.requests) == 1


def test_texts_are_divided_by_number_and_tokens_and_requested_at_once(apis: EmbeddingApis, settings: Settings) -> None:
    apis.wait_for = 3
    model = HostedEmbedder("cohere:embed-v4.0", replace(settings, embedding_concurrency=3))
    texts = [f"text {n}" for n in range(300)]
    vectors = model.embed_documents(texts)
    assert sorted(len(texts_of(request)) for request in apis.requests) == [12, 96, 96, 96]
    assert apis.most_at_once == 3
    single = model.embed_documents(texts[200:201])
    assert np.allclose(vectors[200], single[0]), "in their order"
    apis.wait_for, apis.requests[:] = 1, []
    HostedEmbedder("mistralai:mistral-embed", settings).embed_documents(["語" * 8_000, "語" * 7_000, "語" * 2_000])
    assert sorted(len(texts_of(request)) for request in apis.requests) == [1, 2]


def test_ollama_is_found_by_the_url_of_its_compatible_api(apis: EmbeddingApis, settings: Settings) -> None:
    for path in ("", "/", "/v1", "/v1/"):
        model = HostedEmbedder("ollama:any", replace(settings, ollama_base_url=f"{apis.url}{path}"))
        assert model.embed_documents(["a"]).shape == (1, DIM)


REFUSALS = [
    (401, {}, {}, SystemicError, "COHERE_API_KEY", None),
    (400, {}, {"error": {"details": [{"reason": "API_KEY_INVALID"}]}}, SystemicError, "COHERE_API_KEY", None),
    (402, {}, {"message": "secret"}, SystemicError, "no credit left", None),
    (404, {}, {}, SystemicError, "COHERE_BASE_URL", None),
    (400, {}, {"object": "error", "type": "invalid_model"}, SystemicError, "no model", None),
    (301, {"Location": "http://127.0.0.1:1/"}, {}, SystemicError, "redirects", None),
    (429, {"Retry-After": "17"}, {}, UpstreamError, "rate limit", 17.0),
    (429, {"retry-after-ms": "1500", "Retry-After": "2"}, {}, UpstreamError, "rate limit", 1.5),
    (429, {}, {"error": {"details": [{"@type": "x"}, {"retryDelay": "31.5s"}]}}, UpstreamError, "rate limit", 31.5),
    (429, {}, [], UpstreamError, "rate limit", 5.0),
    (503, {"Retry-After": "3"}, b"not json", UpstreamError, "HTTP 503", 3.0),
    (500, {}, {"error": "secret"}, UpstreamError, "HTTP 500", None),
    (400, {}, {"error": {"code": "content_filter"}}, PermanentError, "content policy", None),
    (413, {}, b"x" * 200_000, PermanentError, "longer than the model accepts", None),
    (200, {}, b"", UpstreamError, "without vectors", None),
    (200, {}, {"embeddings": None}, UpstreamError, "without vectors", None),
    (200, {}, {"embeddings": {"float": [[1.0] * DIM] * 2}}, PermanentError, "2 vectors for 1", None),
    (200, {}, {"embeddings": {"float": [{"a": 1}]}}, PermanentError, "other than vectors", None),
    (200, {}, {"embeddings": {"float": [[0.0] * DIM]}}, UpstreamError, "zero", None),
    (200, {}, {"embeddings": {"float": [[1.0] * 9]}}, SystemicError, "EMBEDDING_DIM", None),
    (200, {}, b"[" * 100_000, UpstreamError, "without vectors", None),
    (200, {}, b" " * 2_000_000, PermanentError, "more than 1,400,000 bytes", None),
]


@pytest.mark.parametrize(("status", "headers", "body", "kind", "words", "retry_after_s"), REFUSALS)
def test_answer_becomes_an_error_that_says_whether_to_retry(
    apis: EmbeddingApis,
    settings: Settings,
    status: int,
    headers: dict[str, str],
    body: Any,
    kind: type[Exception],
    words: str,
    retry_after_s: float | None,
) -> None:
    apis.refuse = lambda _: (status, headers, body)
    with pytest.raises(kind, match=words) as raised:
        HostedEmbedder("cohere:embed-v4.0", settings).embed_documents(["secret"])
    assert type(raised.value) is kind
    assert "secret" not in str(raised.value)
    assert getattr(raised.value, "retry_after_s", None) == retry_after_s
    assert len(apis.requests) == 1, "only the ledger retries"


def test_one_failed_request_fails_the_texts_and_answered_ones_are_counted(
    apis: EmbeddingApis, settings: Settings
) -> None:
    apis.refuse = lambda request: (429, {"Retry-After": "9"}, {}) if "text 299" in texts_of(request) else None
    with metered() as meter, pytest.raises(UpstreamError) as raised:
        HostedEmbedder("cohere:embed-v4.0", settings).embed_documents([f"text {n}" for n in range(300)])
    assert raised.value.retry_after_s == 9
    assert (meter.calls, meter.tokens) == (3, 2 * 288)


def test_next_attempt_requests_only_what_has_no_answer(apis: EmbeddingApis, settings: Settings) -> None:
    model = HostedEmbedder("vertexai:gemini-embedding-001", settings)
    texts = [f"text {n}" for n in range(6)]
    apis.refuse = lambda request: (
        (429, {}, {}) if request.path != "/token" and texts_of(request) == ["text 5"] else None
    )
    with pytest.raises(UpstreamError):
        model.embed_documents(texts)
    apis.requests[:], apis.refuse = [], lambda _: None
    with metered() as meter:
        vectors = model.embed_documents(texts)
    assert [texts_of(request) for request in without_tokens(apis)] == [["text 5"]]
    assert (meter.calls, vectors.shape) == (1, (6, DIM))
    expected = np.array([vector(text) for text in texts])
    assert np.allclose(vectors, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-6)
    model.embed_documents(texts)
    assert len(without_tokens(apis)) == 7, "used once"


def test_answers_of_a_limited_number_of_texts_are_kept(apis: EmbeddingApis, settings: Settings) -> None:
    model = HostedEmbedder("cohere:embed-v4.0", settings)
    apis.refuse = lambda request: (429, {}, {}) if "refused" in texts_of(request) else None
    for attempt in range(4):
        texts = [f"{attempt}.{n}" for n in range(96 * (MAX_KEPT_TEXTS // 96))]  # whole requests
        with pytest.raises(UpstreamError):
            model.embed_documents([*texts, "refused"])
    apis.requests[:], apis.refuse = [], lambda _: None
    model.embed_documents([*texts, "refused"])
    assert [texts_of(request) for request in apis.requests] == [["refused"]]
    model.embed_documents([f"{attempt - 1}.{n}" for n in range(97)])
    assert len(apis.requests) == 3, "forgotten for the newer ones"


def test_service_account_that_google_rejects_is_named(apis: EmbeddingApis, settings: Settings) -> None:
    apis.refuse = lambda request: (401, {}, {"error": "invalid_grant"}) if request.path == "/token" else None
    with pytest.raises(SystemicError, match="rejects the service account"):
        HostedEmbedder("vertexai:text-embedding-005", settings).embed_documents(["a"])
    broken = replace(settings, vertexai_service_account="{}")
    with pytest.raises(SystemicError, match="VERTEXAI_SERVICE_ACCOUNT"):
        HostedEmbedder("vertexai:text-embedding-005", broken).embed_documents(["a"])


def test_missing_settings_are_reported_before_any_request() -> None:
    for name, setting in {
        "openai:text-embedding-3-small": "OPENAI_API_KEY",
        "google_genai:gemini-embedding-001": "GOOGLE_API_KEY",
        "mistralai:mistral-embed": "MISTRAL_API_KEY",
        "cohere:embed-v4.0": "COHERE_API_KEY",
        "azure_openai:d": "AZURE_OPENAI_ENDPOINT",
    }.items():
        with pytest.raises(ConfigError, match=f"{setting} is missing"):
            Embedders(Settings(database_url="unused"))(name)


def test_a_pause_holds_for_the_server_and_the_key_of_the_installation() -> None:
    settings = Settings(database_url="unused", ollama_base_url="http://gpu.example:11434/")
    assert pause_name("cohere:embed-v4.0", settings) == "https://api.cohere.com installation"
    assert pause_name("ollama:x", settings) == "http://gpu.example:11434 installation"
    assert pause_name("vertexai:x", settings) == "https://us-central1-aiplatform.googleapis.com installation"
    assert pause_name("all-MiniLM-L6-v2", settings) is None


def test_langchain_takes_an_embedder_as_its_embeddings(apis: EmbeddingApis, settings: Settings) -> None:
    from langchain_core.vectorstores import InMemoryVectorStore

    store = InMemoryVectorStore(HostedEmbedder("ollama:any", settings))  # type: ignore[arg-type] # the same methods
    store.add_texts(["tide", "moon"])
    assert store.similarity_search("moon", k=1)[0].page_content == "moon"
