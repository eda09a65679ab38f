"""Hosted embedding models, through LangChain's OpenAIEmbeddings.

`openai:MODEL` uses OpenAI's API, at OpenAI or at any compatible server (Ollama, vLLM, a gateway). LangChain is imported
with the first text. The client does not retry: the ledger retries steps.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from headwater.config import Settings
from headwater.errors import ConfigError, HeadwaterError, PermanentError, SystemicError, UpstreamError
from headwater.outbound.deadline import exceeded_limit_s, within
from headwater.queue.providers import origin_of, provider_name
from headwater.retry_after import read_retry_after

if TYPE_CHECKING:
    import numpy as np
    from langchain_openai import OpenAIEmbeddings
    from numpy.typing import NDArray

    from headwater.embedding.base import Tokenizer

PREFIX = "openai:"
_OPENAI_URL = "https://api.openai.com/v1"
DIMS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072, "text-embedding-ada-002": 1536}
"""Vector lengths of OpenAI's models; source: OpenAI, "Vector embeddings"."""

DEFAULT_RETRY_AFTER_S = 5.0
"""Seconds to wait after a rate limit error without `Retry-After`."""

_TOO_LONG = {"context_length_exceeded", "string_above_max_length", "max_tokens_per_request"}
_POLICY = {"content_filter", "content_policy_violation"}
"""Codes of errors; sources: OpenAI, "Error codes", and Azure OpenAI, "Content filtering"."""


def is_hosted(name: str) -> bool:
    """Return True for the name of a hosted model."""
    return name.startswith(PREFIX) and len(name) > len(PREFIX)


def hosted_dim(name: str, settings: Settings) -> int:
    """Return the length of a model's vectors; raises ConfigError if it is unknown and not configured."""
    dim = settings.embedding_dim or DIMS.get(name.removeprefix(PREFIX), 0)
    if not dim:
        raise ConfigError(f"EMBEDDING_DIM is missing. Set it to the length of the vectors of {name}.")
    return dim


def hosted_provider(name: str, settings: Settings) -> str | None:
    """Name the provider of a hosted model, which all workspaces use with one key. None for other models."""
    if not is_hosted(name):
        return None
    return provider_name(origin_of(settings.embedding_base_url or _OPENAI_URL) or name)


class HostedEmbedder:
    """A hosted model. Raises UpstreamError for errors to retry, PermanentError for others."""

    def __init__(self, name: str, settings: Settings, tokenizer: "Tokenizer") -> None:
        self.name = name
        self.dim = hosted_dim(name, settings)
        self.tokenizer = tokenizer
        self._settings = settings
        if not (settings.openai_api_key or settings.embedding_base_url):
            raise ConfigError(f"OPENAI_API_KEY is missing; EMBEDDING_MODEL={name} requires it.")

    @cached_property
    def _client(self) -> "OpenAIEmbeddings":
        from langchain_openai import OpenAIEmbeddings
        from openai import DefaultHttpxClient
        from pydantic import SecretStr

        from headwater.outbound.httpx_clients import limit_httpx

        timeout_s = self._settings.embedding_timeout_s
        return OpenAIEmbeddings(
            model=self.name.removeprefix(PREFIX),
            api_key=SecretStr(self._settings.openai_api_key or "none"),
            base_url=self._settings.embedding_base_url or _OPENAI_URL,
            check_embedding_ctx_length=False,  # chunks fit; the check would download a tokenizer
            timeout=timeout_s,
            http_client=limit_httpx(DefaultHttpxClient(timeout=timeout_s)),
            max_retries=0,
        )

    def embed_documents(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """Embed texts in one request: float32, n × dim, unit length, in their order."""
        import numpy as np

        if not texts:
            return np.empty((0, self.dim), np.float32)
        client = self._client
        # Only OpenAI's newer models can shorten their vectors; other servers may reject the field.
        shortened = DIMS.get(client.model, self.dim) > self.dim
        options = {"dimensions": self.dim} if shortened else {}
        try:
            # Not `client.embed_documents`, which ignores the index of each vector.
            with within(self._settings.embedding_timeout_s):
                response = client.client.create(input=list(texts), model=client.model, **options)
        except Exception as error:  # noqa: BLE001 - the boundary to a client with many kinds of errors
            raise translate_error(error, self.name) from None
        vectors = self._read_vectors(response, len(texts))
        if vectors.shape != (len(texts), self.dim):
            expected = (len(texts), self.dim)
            raise SystemicError(f"{self.name} returned {vectors.shape} numbers, not {expected}. Check EMBEDDING_DIM.")
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not np.isfinite(norms).all() or not norms.all():
            raise UpstreamError(f"{self.name} returned zero or non-finite vectors.")
        vectors /= norms
        return vectors

    def _read_vectors(self, response: Any, count: int) -> "NDArray[np.float32]":
        """Return the vectors of a response in the order of their `index`, or as they are if none has an index.

        Raises PermanentError if indexes are missing or doubled, or a vector is not a list of numbers: the step is then
        divided, and a single text needs no index. Raises UpstreamError if there is no vector.
        """
        import numpy as np

        if not (data := getattr(response, "data", None)):
            raise _no_vectors(self.name)
        indexes = [getattr(item, "index", None) for item in data]
        if count == 1 or all(index is None for index in indexes):
            indexes = list(range(len(data)))
        if sorted(map(str, indexes)) != sorted(map(str, range(count))):
            raise PermanentError(f"{self.name} returned vectors with missing or doubled indexes.")
        try:
            vectors: NDArray[np.float32] = np.asarray([item.embedding for item in data], np.float32)
        except (AttributeError, TypeError, ValueError) as error:
            raise PermanentError(f"{self.name} returned something other than vectors.") from error
        ordered = np.empty_like(vectors)
        ordered[[int(str(index)) for index in indexes]] = vectors
        return ordered

    embed_queries = embed_documents

    def embed_query(self, text: str) -> "NDArray[np.float32]":
        """Embed a question: float32, dim."""
        vector: NDArray[np.float32] = self.embed_documents([text])[0]
        return vector


def translate_error(error: Exception, name: str) -> HeadwaterError:
    """Return our own error for a provider's, by HTTP status. Its message is dropped, since it may quote a text."""
    status = getattr(error, "status_code", None)
    if not isinstance(status, int):
        unreachable = f"Can't reach {name}: connection failed or timed out ({type(error).__name__})."
        if limit_s := exceeded_limit_s(error):
            unreachable = f"{name} did not finish its answer in {limit_s:g} s (EMBEDDING_TIMEOUT_S)."
        # A ValueError: the answer is not JSON, or has no data.
        return _no_vectors(name) if isinstance(error, ValueError) else UpstreamError(unreachable)
    if status in (401, 403):
        return SystemicError(f"The provider rejects OPENAI_API_KEY for {name}. Set a valid key.")
    if status == 404:
        return SystemicError(f"The provider has no model {name}. Check EMBEDDING_MODEL.")
    if status == 429:
        return UpstreamError(
            f"The rate limit or quota of {name} is reached.", _retry_after_s(error) or DEFAULT_RETRY_AFTER_S
        )
    if 400 <= status < 500 and status != 408:
        return PermanentError(f"{name} rejects the text (HTTP {status}). {_advice(error, status)}")
    return UpstreamError(f"{name} is unavailable (HTTP {status}).", _retry_after_s(error))


def _no_vectors(name: str) -> UpstreamError:
    return UpstreamError(f"{name} answered without vectors. Check EMBEDDING_BASE_URL and the server.")


def _advice(error: Exception, status: int) -> str:
    """Say why a text is rejected, and what to do. Only the error's code is used: its message may quote the text."""
    code = str(getattr(error, "code", None) or "")
    if status == 413 or code in _TOO_LONG:
        reason = "It is longer than the model accepts."
    elif code in _POLICY:
        reason = "The provider's content policy forbids it."
    else:
        reason = "It may be too long, or against the provider's content policy."
    return f"{reason} Change or divide this part of the document, or exclude the document."


def _retry_after_s(error: Exception) -> float | None:
    """Return `Retry-After` in seconds, None without one."""
    headers = getattr(getattr(error, "response", None), "headers", {})
    return read_retry_after(headers.get("retry-after"))
