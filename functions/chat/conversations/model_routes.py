"""The routes of the chat models that a workspace may use."""

from typing import Annotated

import msgspec

from functions.chat.conversations.model_choice import read_allowed, write_allowed
from functions.chat.models.models import ChatModels
from headwater.database.transactions import Database
from headwater.usage.prices import load_prices
from headwater.web.app import Call, Route


class ModelSummary(msgspec.Struct, frozen=True):
    """A chat model. Prices are in US dollars for a million tokens, null if unknown."""

    name: str
    allowed: bool
    input_price: float | None
    output_price: float | None


class ChatModelList(msgspec.Struct, frozen=True):
    """The models in the order in which they are tried. `configured` is false if answers only quote documents."""

    models: list[ModelSummary]
    configured: bool


class AllowedModels(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The names of the models that members may use; null for all."""

    allowed: Annotated[list[str], msgspec.Meta(max_length=100)] | None


class ModelRoutes:
    """Handlers that list the models and change which are allowed. `own_prices` is the setting `PRICES`."""

    def __init__(self, database: Database, models: ChatModels, own_prices: str) -> None:
        self.database = database
        self.models = models
        self.own_prices = own_prices

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("GET", "/api/models", self.list_chat_models, "List chat models", returns=ChatModelList),
            Route(
                "PUT",
                "/api/models",
                self.allow_chat_models,
                "Allow chat models",
                body=AllowedModels,
                returns=ChatModelList,
                access="owner",
            ),
        ]

    def list_chat_models(self, call: Call) -> ChatModelList:
        """List the chat models that questions may name, to owners also those that the workspace does not allow."""
        with self.database.transaction(call.workspace_id) as tx:
            allowed = self.models.allowed_names(read_allowed(tx, call.caller))
        return self._list(allowed, everything=call.caller.role == "owner")

    def allow_chat_models(self, call: Call) -> ChatModelList:
        """Choose the chat models that questions of the workspace may use."""
        with self.database.transaction(call.workspace_id) as tx:
            write_allowed(tx, call.caller, call.body.allowed, self.models.names)
            return self._list(self.models.allowed_names(call.body.allowed), everything=True)

    def _list(self, allowed: list[str], *, everything: bool) -> ChatModelList:
        prices, models = load_prices(self.own_prices), []
        for name in self.models.names if everything else allowed:
            price = prices.find(name)
            amounts = (float(price.input), float(price.output)) if price else (None, None)
            models.append(ModelSummary(name, name in allowed, *amounts))
        return ChatModelList(models, self.models.are_configured)
