"""Embedding models that somebody else runs: texts flow in, vectors flow out, by way of LangChain's own class.

`openai:MODEL` speaks OpenAI's protocol, to OpenAI or to any server like it (Ollama, vLLM, a gateway). The package is
imported when the first text is embedded, never before. Retrying is the ledger's business: the client doesn't.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from headwater.config import Settings
from headwater.errors import ConfigError, HeadwaterError, PermanentError, SystemicError, UpstreamError

if TYPE_CHECKING:
    import numpy as np
    from langchain_openai import OpenAIEmbeddings
    from numpy.typing import NDArray

    from headwater.embedding.base import Tokenizer

PREFIX = "openai:"
DIMS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072, "text-embedding-ada-002": 1536}
"""Length of the vectors of OpenAI's own models; source: OpenAI, "Vector embeddings"."""

PAUSE_S = 5.0
"""How long a provider that asks for patience, and doesn't say how much, is left alone."""


def is_hosted(name: str) -> bool:
    """Tell whether a model runs elsewhere."""
    return name.startswith(PREFIX) and len(name) > len(PREFIX)


def hosted_dim(name: str, settings: Settings) -> int:
    """Return the length of a model's vectors; raises ConfigError when nobody has said it."""
    dim = settings.embedding_dim or DIMS.get(name.removeprefix(PREFIX), 0)
    if not dim:
        raise ConfigError(f"EMBEDDING_DIM is missing: set it to the length of the vectors of {name}.")
    return dim


class HostedEmbedder:
    """A model behind OpenAI's protocol. Errors: UpstreamError to try again, PermanentError with what to mend."""

    def __init__(self, name: str, settings: Settings, tokenizer: "Tokenizer") -> None:
        self.name = name
        self.dim = hosted_dim(name, settings)
        self.tokenizer = tokenizer
        self._settings = settings
        if not (settings.openai_api_key or settings.embedding_base_url):
            raise ConfigError(f"The embedding model is {name}, but OPENAI_API_KEY is missing.")

    @cached_property
    def _client(self) -> "OpenAIEmbeddings":
        from langchain_openai import OpenAIEmbeddings
        from pydantic import SecretStr

        return OpenAIEmbeddings(
            model=self.name.removeprefix(PREFIX),
            api_key=SecretStr(self._settings.openai_api_key or "none"),
            base_url=self._settings.embedding_base_url or "https://api.openai.com/v1",
            check_embedding_ctx_length=False,  # chunks fit; to be sure of it, the class would load a tokenizer
            timeout=self._settings.embedding_timeout_s,
            max_retries=0,
        )

    def embed_documents(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """Embed texts in one request: float32, n × dim, unit length, in their order."""
        import numpy as np

        if not texts:
            return np.empty((0, self.dim), np.float32)
        try:
            vectors = np.asarray(self._client.embed_documents(list(texts), chunk_size=len(texts)), np.float32)
        except Exception as error:  # noqa: BLE001 - the boundary to a client with many errors of its own
            raise translate_error(error, self.name) from None
        if vectors.shape != (len(texts), self.dim):
            raise SystemicError(
                f"{self.name} answers {vectors.shape}, not {(len(texts), self.dim)}: see EMBEDDING_DIM."
            )
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not np.isfinite(norms).all() or not norms.all():
            raise UpstreamError(f"{self.name} answers vectors without a direction.")
        vectors /= norms
        return vectors

    def embed_query(self, text: str) -> "NDArray[np.float32]":
        """Embed a question: float32, dim."""
        vector: NDArray[np.float32] = self.embed_documents([text])[0]
        return vector


def translate_error(error: Exception, name: str) -> HeadwaterError:
    """Say what a provider's error means, by its HTTP status; no word of its own is passed on, it may quote a text."""
    status = getattr(error, "status_code", None)
    if status in (401, 403):
        return SystemicError(f"The key in OPENAI_API_KEY is refused for {name}. Set one that is valid for it.")
    if status == 404:
        return SystemicError(f"{name} is not known there. Correct EMBEDDING_MODEL.")
    if status == 429:
        return UpstreamError(f"{name} is asked too often, or the quota is used up.", _retry_after_s(error) or PAUSE_S)
    if isinstance(status, int) and 400 <= status < 500 and status != 408:
        return PermanentError(f"{name} refuses the texts (HTTP {status}).")
    if isinstance(status, int):
        return UpstreamError(f"{name} fails at the moment (HTTP {status}).", _retry_after_s(error))
    return UpstreamError(f"The connection to {name} failed, broke off or took too long ({type(error).__name__}).")


def _retry_after_s(error: Exception) -> float | None:
    """Read `Retry-After` in seconds, None when there is none."""
    asked = getattr(getattr(error, "response", None), "headers", {}).get("retry-after", "")
    return float(asked) if asked.isdecimal() else None
