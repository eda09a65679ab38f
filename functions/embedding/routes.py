"""Routes of the embedding function."""

from collections.abc import Callable

from functions.embedding import embeddings
from functions.embedding.embeddings import EmbeddingsRequest, EmbeddingsResponse
from headwater.config import Settings
from headwater.embedding.base import Embedder
from headwater.web.app import Call, Route


def routes(settings: Settings, embedder: Callable[[str], Embedder]) -> list[Route]:
    """Return the routes. The model is loaded by the first request that needs it."""

    def create_embeddings(call: Call) -> EmbeddingsResponse:
        """Embed texts with the installation's model. Compatible with clients of OpenAI's embeddings API."""
        return embeddings.create_embeddings(call.body, embedder(settings.embedding_model))

    return [
        Route(
            "POST",
            "/v1/embeddings",
            create_embeddings,
            "Embed texts",
            body=EmbeddingsRequest,
            returns=EmbeddingsResponse,
        )
    ]
