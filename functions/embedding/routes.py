"""The embedding function's routes for people and programs."""

from collections.abc import Callable

from functions.embedding.embeddings import EmbeddingsRequest, EmbeddingsResponse, create_embeddings
from headwater.config import Settings
from headwater.embedding.base import Embedder
from headwater.web.app import Call, Route


def routes(settings: Settings, embedder: Callable[[str], Embedder]) -> list[Route]:
    """Return the routes; the model is loaded by the first request that wants it."""

    def embeddings(call: Call) -> EmbeddingsResponse:
        return create_embeddings(call.body, embedder(settings.embedding_model))

    return [
        Route("POST", "/v1/embeddings", embeddings, "Embed texts", body=EmbeddingsRequest, returns=EmbeddingsResponse)
    ]
