"""Routes of embedding models: list, register, estimate, build, activate, roll back, delete."""

from functools import partial

from functions.collection.models.models import (
    Activation,
    Build,
    EmbeddingModel,
    EmbeddingModelList,
    EmbeddingModels,
    Estimate,
    NewEmbeddingModel,
    check_may_change,
    may_change,
)
from headwater.database.transactions import ALL_WORKSPACES
from headwater.embedding.hosted.providers import PROVIDERS
from headwater.embedding.local.models import ENCODERS
from headwater.web.app import Call, Route


class ModelRoutes:
    """The routes' handlers."""

    def __init__(self, models: EmbeddingModels) -> None:
        self.models = models

    def routes(self) -> list[Route]:
        """Return the routes."""
        owners = partial(Route, access="owner", scope="accounts")
        path, model = "/api/embedding-models", "/api/embedding-models/<int:id>"
        return [
            owners("GET", path, self.list_embedding_models, "List embedding models", returns=EmbeddingModelList),
            owners(
                "POST",
                path,
                self.register_embedding_model,
                "Register an embedding model",
                body=NewEmbeddingModel,
                returns=EmbeddingModel,
                status=201,
            ),
            owners("GET", model, self.get_embedding_model, "Get an embedding model", returns=EmbeddingModel),
            owners("DELETE", model, self.delete_embedding_model, "Delete an embedding model", status=204),
            owners("GET", f"{model}/estimate", self.estimate_embedding_model, "Estimate a build", returns=Estimate),
            owners(
                "POST",
                f"{model}/build",
                self.build_embedding_model,
                "Build an embedding model",
                body=Build,
                returns=EmbeddingModel,
                status=202,
            ),
            owners(
                "POST",
                f"{model}/activate",
                self.activate_embedding_model,
                "Activate an embedding model",
                body=Activation,
                returns=EmbeddingModel,
            ),
            owners(
                "POST",
                f"{path}/rollback",
                self.roll_back_embedding_model,
                "Roll back to the previous embedding model",
                returns=EmbeddingModel,
            ),
        ]

    def list_embedding_models(self, call: Call) -> EmbeddingModelList:
        """List the installation's embedding models with their state and progress."""
        with self.models.database.transaction(ALL_WORKSPACES) as tx:
            allowed = may_change(tx, call.caller)
        models = self.models.read_all()
        registered = {model.name for model in models}
        available = [name for name in ENCODERS if name not in registered]
        return EmbeddingModelList(models, allowed, available, [*PROVIDERS])

    def get_embedding_model(self, call: Call) -> EmbeddingModel:
        """Get an embedding model with its state and progress."""
        return self.models.read(call.path["id"])

    def register_embedding_model(self, call: Call) -> EmbeddingModel:
        """Register a model. If it is registered already, it is returned.

        If the length of a hosted model's vectors is not known, one vector is requested. Like all requests that change
        models, this needs an owner of all workspaces.
        """
        self._check(call)
        return self.models.register(call.caller.subject, call.body.name)

    def estimate_embedding_model(self, call: Call) -> Estimate:
        """Estimate what building a model takes: texts, tokens, US dollars where the price is known, minutes."""
        self._check(call)
        return self.models.estimate(call.path["id"])

    def build_embedding_model(self, call: Call) -> EmbeddingModel:
        """Embed all texts with a model, while the active one answers searches. New documents are embedded with both."""
        self._check(call)
        return self.models.build(call.caller.subject, call.path["id"], activate=call.body.activate)

    def activate_embedding_model(self, call: Call) -> EmbeddingModel:
        """Make a model the active one. 409 if it lacks vectors that the active one has, unless `allow_missing`."""
        self._check(call)
        return self.models.activate(call.caller.subject, call.path["id"], allow_missing=call.body.allow_missing)

    def roll_back_embedding_model(self, call: Call) -> EmbeddingModel:
        """Activate the model that was active before. Texts without a vector of it are then embedded."""
        self._check(call)
        return self.models.roll_back(call.caller.subject)

    def delete_embedding_model(self, call: Call) -> None:
        """Delete a model with its vectors and its index. 409 if it is active."""
        self._check(call)
        self.models.delete(call.caller.subject, call.path["id"])

    def _check(self, call: Call) -> None:
        with self.models.database.transaction(ALL_WORKSPACES) as tx:
            check_may_change(tx, call.caller)
