"""Routes of the embedding function."""

from collections.abc import Callable

from functions.embedding import embeddings
from functions.embedding.embeddings import EmbeddingsRequest, EmbeddingsResponse
from headwater.database.transactions import ALL_WORKSPACES, Database
from headwater.embedding.active_model import read_active_model
from headwater.embedding.base import Embedder
from headwater.embedding.hosted.recording import Recorder
from headwater.usage.record import payer_of
from headwater.web.app import Call, Route


def routes(database: Database, embedder: Callable[[str], Embedder], recorder: Recorder) -> list[Route]:
    """Return the routes. The active model is loaded by the first request that needs it."""

    def create_embeddings(call: Call) -> EmbeddingsResponse:
        """Embed texts with the installation's active model. Compatible with clients of OpenAI's embeddings API."""
        with database.transaction(ALL_WORKSPACES) as tx:
            model = read_active_model(tx)
        with recorder.recording(payer_of(call.caller), model.name):
            return embeddings.create_embeddings(call.body, embedder(model.name))

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
