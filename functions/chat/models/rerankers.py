"""Load the reranker that `RERANKER` names: a provider's, or a local cross-encoder.

A provider's package takes a second to import, so it is imported when the reranker is loaded. API keys and base URLs
come from the settings only, never from the environment.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from functions.chat.models.cross_encoder import CrossEncoder
from functions.chat.retrieval.reranking import Reranker, Reranking
from headwater.config import Settings
from headwater.errors import ConfigError
from headwater.outbound.deadline import within

if TYPE_CHECKING:
    from langchain_core.documents import BaseDocumentCompressor


def load_reranking(settings: Settings) -> Reranking | None:
    """Return what reranks, None without `RERANKER`. Loads nothing."""
    if not settings.reranker:
        return None
    return Reranking(settings.reranker, partial(_load, settings), settings.reranker_timeout_s)


def _load(settings: Settings) -> Reranker:
    """Load the reranker. Raises ConfigError if it is unknown, or its key or package is missing."""
    kind, _, model = settings.reranker.partition(":")
    if kind == "onnx" and model:
        return CrossEncoder(Path(model))
    if kind not in _PROVIDERS or not model:
        known = ", ".join(f"{name}:MODEL" for name in _PROVIDERS)
        raise ConfigError(f"RERANKER {settings.reranker!r} is unknown. Set it to onnx:FOLDER or one of {known}.")
    if not getattr(settings, f"{kind}_api_key") and not settings.reranker_base_url:
        raise ConfigError(f"{kind.upper()}_API_KEY is missing; RERANKER={settings.reranker} requires it.")
    return _PROVIDERS[kind](settings, model)


class Compressor:
    """A LangChain document compressor that scores all documents."""

    def __init__(self, compressor: "BaseDocumentCompressor") -> None:
        self._compressor = compressor

    def score(self, query: str, texts: Sequence[str], timeout_s: float) -> Sequence[float]:
        """Return the relevance of each text. Raises the client's errors."""
        from langchain_core.documents import Document

        documents = [Document(text, metadata={"n": n}) for n, text in enumerate(texts)]
        with within(timeout_s):
            found = self._compressor.compress_documents(documents, query)
        scores = {document.metadata["n"]: document.metadata["relevance_score"] for document in found}
        return [scores[n] for n in range(len(texts))]


def _cohere(settings: Settings, model: str) -> "BaseDocumentCompressor":
    import cohere
    import httpx
    from langchain_cohere import CohereRerank

    from headwater.outbound.httpx_clients import limit_httpx

    client = cohere.ClientV2(
        settings.cohere_api_key or "none",
        base_url=settings.reranker_base_url or "https://api.cohere.com",
        timeout=settings.reranker_timeout_s,
        httpx_client=limit_httpx(httpx.Client(timeout=settings.reranker_timeout_s)),
    )
    client.rerank = partial(client.rerank, request_options={"max_retries": 0})  # type: ignore[method-assign]
    return CohereRerank(client=client, model=model, top_n=None, cohere_api_key=None)


class HttpReranker:
    """A reranker that takes `POST {base_url}/rerank`. The list `field` of its response has the scores.

    LangChain's for Jina has neither a time-out nor a base URL; Voyage's client requires libraries of local models.
    """

    def __init__(self, settings: Settings, *, url: str, key: str, model: str, field: str) -> None:
        import httpx

        from headwater.outbound.httpx_clients import limit_httpx

        self._model = model
        self._field = field
        self._client = limit_httpx(
            httpx.Client(
                base_url=settings.reranker_base_url or url,
                headers={"Authorization": f"Bearer {key or 'none'}"},
                timeout=settings.reranker_timeout_s,
            )
        )

    def score(self, query: str, texts: Sequence[str], timeout_s: float) -> Sequence[float]:
        """Return the relevance of each text. Raises errors of httpx."""
        body = {"model": self._model, "query": query, "documents": texts, "return_documents": False}
        with within(timeout_s):
            response = self._client.post("rerank", json=body).raise_for_status()
        scores = {result["index"]: result["relevance_score"] for result in response.json()[self._field]}
        return [scores[n] for n in range(len(texts))]


def _jina(settings: Settings, model: str) -> HttpReranker:
    url = "https://api.jina.ai/v1"
    return HttpReranker(settings, url=url, key=settings.jina_api_key, model=model, field="results")


def _voyage(settings: Settings, model: str) -> HttpReranker:
    url = "https://api.voyageai.com/v1"
    return HttpReranker(settings, url=url, key=settings.voyage_api_key, model=model, field="data")


_PROVIDERS: Mapping[str, Callable[[Settings, str], Reranker]] = {
    "cohere": lambda settings, model: Compressor(_cohere(settings, model)),
    "jina": _jina,
    "voyage": _voyage,
}
