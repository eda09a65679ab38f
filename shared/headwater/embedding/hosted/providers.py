"""The providers of hosted embedding models: their addresses, keys, protocols and limits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple
from urllib.parse import quote

from headwater.config import Settings
from headwater.embedding.hosted.protocols import Cohere, Gemini, Ollama, OpenAi, Vertex, Wire
from headwater.errors import ConfigError
from headwater.queue.providers import origin_of, provider_name


class Limits(NamedTuple):
    """Texts of a request, and their tokens together, at most."""

    texts: int
    tokens: int


@dataclass(frozen=True, kw_only=True)
class Provider:
    """A provider of embedding models.

    `url` returns the base URL that the settings name, or the provider's own; "" if it must be set. `headers` returns
    the headers with the credential. `dims` are the lengths of known models' vectors.
    """

    title: str
    wire: Wire
    url: Callable[[Settings], str]
    headers: Callable[[Settings], Mapping[str, str]]
    key_setting: str
    url_setting: str
    limits: Limits
    needs_key: Callable[[Settings], bool] = lambda _: True
    single_text: tuple[str, ...] = ()
    """Beginnings of the names of models that take one text a request."""

    query: Callable[[Settings], str] = lambda _: ""
    """Returns the query part of requests' URLs."""

    dims: Mapping[str, int] = field(default_factory=dict)

    def limits_of(self, model: str) -> Limits:
        """Return the limits of a model's requests."""
        return Limits(1, self.limits.tokens) if model.startswith(self.single_text or ("\0",)) else self.limits

    def check(self, name: str, settings: Settings) -> None:
        """Raise ConfigError if a setting is missing that the model `name` requires."""
        if not self.url(settings):
            raise ConfigError(f"{self.url_setting} is missing; {name} requires it.")
        if self.needs_key(settings) and not getattr(settings, self.key_setting.lower()):
            raise ConfigError(f"{self.key_setting} is missing; {name} requires it.")


class HostedModel(NamedTuple):
    """A parsed name: `openai:text-embedding-3-large#1024` is a provider, its model, and the length of vectors."""

    provider: Provider
    model: str
    dim: int | None


def parse(name: str) -> HostedModel | None:
    """Parse the name of a hosted model. None for other names."""
    kind, _, rest = name.partition(":")
    model, _, dim = rest.partition("#")
    if kind not in PROVIDERS or not model or ("#" in rest and not (dim.isdecimal() and 0 < int(dim[:6]) <= MAX_DIM)):
        return None
    return HostedModel(PROVIDERS[kind], model, int(dim) if dim else None)


def is_hosted(name: str) -> bool:
    """Return True for the name of a hosted model."""
    return parse(name) is not None


def pause_name(name: str, settings: Settings) -> str | None:
    """Name the server of a hosted model, which all workspaces use with one key. None for other models.

    If the server asks for a pause, the steps with this name wait.
    """
    hosted = parse(name)
    return hosted and provider_name(origin_of(hosted.provider.url(settings)) or name)


MAX_DIM = 16_000
"""pgvector's longest vector."""


def _bearer(setting: str, settings: Settings) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {getattr(settings, setting) or 'none'}"}


def _header(header: str, setting: str, settings: Settings) -> Mapping[str, str]:
    return {header: getattr(settings, setting)}


def _vertex_headers(settings: Settings) -> Mapping[str, str]:
    from headwater.embedding.hosted.google_tokens import access_token

    return {"Authorization": f"Bearer {access_token(settings)}"}


def _azure_url(settings: Settings) -> str:
    return settings.azure_openai_endpoint.rstrip("/")


def _ollama_url(settings: Settings) -> str:
    """Return the server's URL. Chat models take it with the path of Ollama's OpenAI-compatible API, too."""
    return (settings.ollama_base_url or "http://localhost:11434").rstrip("/").removesuffix("/v1")


def _vertex_url(settings: Settings) -> str:
    location = settings.vertexai_location
    host = "aiplatform.googleapis.com" if location == "global" else f"{location}-aiplatform.googleapis.com"
    base = settings.vertexai_base_url or f"https://{host}"
    project = settings.vertexai_project or settings.google_cloud_project
    return f"{base.rstrip('/')}/v1/projects/{quote(project, safe='')}/locations/{quote(location, safe='')}"


_OPENAI_DIMS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072, "text-embedding-ada-002": 1536}
_GOOGLE_DIMS = {"gemini-embedding-001": 3072, "gemini-embedding-2": 3072}

PROVIDERS: Mapping[str, Provider] = {
    "openai": Provider(
        title="OpenAI",
        wire=OpenAi(),
        url=lambda settings: settings.embedding_base_url or "https://api.openai.com/v1",
        headers=partial(_bearer, "openai_api_key"),
        key_setting="OPENAI_API_KEY",
        url_setting="EMBEDDING_BASE_URL",
        needs_key=lambda settings: not settings.embedding_base_url,
        limits=Limits(2048, 300_000),
        dims=_OPENAI_DIMS,
    ),
    "azure_openai": Provider(
        title="Azure OpenAI",
        wire=OpenAi("/openai/deployments/{model}/embeddings"),
        url=_azure_url,
        query=lambda settings: f"?api-version={quote(settings.azure_openai_api_version)}",
        headers=partial(_header, "api-key", "azure_openai_api_key"),
        key_setting="AZURE_OPENAI_API_KEY",
        url_setting="AZURE_OPENAI_ENDPOINT",
        limits=Limits(2048, 300_000),
    ),
    "google_genai": Provider(
        title="Google",
        wire=Gemini(),
        url=lambda settings: (
            f"{(settings.google_base_url or 'https://generativelanguage.googleapis.com').rstrip('/')}/v1beta"
        ),
        headers=partial(_header, "x-goog-api-key", "google_api_key"),
        key_setting="GOOGLE_API_KEY",
        url_setting="GOOGLE_BASE_URL",
        limits=Limits(100, 20_000),
        dims={**_GOOGLE_DIMS, "text-embedding-004": 768},
    ),
    "vertexai": Provider(
        title="Vertex AI",
        wire=Vertex(),
        url=_vertex_url,
        headers=_vertex_headers,
        key_setting="VERTEXAI_SERVICE_ACCOUNT",
        url_setting="VERTEXAI_BASE_URL",
        needs_key=lambda _: False,
        limits=Limits(250, 20_000),
        single_text=("gemini-embedding-",),
        dims={**_GOOGLE_DIMS, "text-embedding-005": 768, "text-multilingual-embedding-002": 768},
    ),
    "mistralai": Provider(
        title="Mistral",
        wire=OpenAi(dimensions_field="output_dimension", base64=False),
        url=lambda settings: settings.mistral_base_url or "https://api.mistral.ai/v1",
        headers=partial(_bearer, "mistral_api_key"),
        key_setting="MISTRAL_API_KEY",
        url_setting="MISTRAL_BASE_URL",
        limits=Limits(512, 16_000),
        dims={"mistral-embed": 1024, "codestral-embed": 1536},
    ),
    "cohere": Provider(
        title="Cohere",
        wire=Cohere(),
        url=lambda settings: settings.cohere_base_url or "https://api.cohere.com",
        headers=partial(_bearer, "cohere_api_key"),
        key_setting="COHERE_API_KEY",
        url_setting="COHERE_BASE_URL",
        limits=Limits(96, 100_000),
        dims={"embed-v4.0": 1536, "embed-english-v3.0": 1024, "embed-multilingual-v3.0": 1024}
        | {"embed-english-light-v3.0": 384, "embed-multilingual-light-v3.0": 384},
    ),
    "ollama": Provider(
        title="Ollama",
        wire=Ollama(),
        url=_ollama_url,
        headers=lambda _: {},
        key_setting="OLLAMA_BASE_URL",
        url_setting="OLLAMA_BASE_URL",
        needs_key=lambda _: False,
        limits=Limits(64, 16_000),
    ),
}
"""By the prefix of models' names. Limits and lengths are those of the providers' references."""
