"""The routes of a workspace's chat settings: instructions, share links, and the models that it may use."""

from typing import Annotated

import msgspec

from functions.chat.conversations.chat_settings import (
    ChatSettings,
    ChatSettingsChanges,
    change_chat_settings,
    read_chat_settings,
)
from functions.chat.conversations.model_choice import read_allowed, write_allowed
from functions.chat.models.models import ChatModels
from functions.chat.web.engines import is_configured
from headwater.config import Settings
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
    """The models in the order in which they are tried. `configured` is false if answers only quote documents.

    `agents`: whether this installation can run agents: it has a model and the queue `chat`. `web`: whether answers can
    be from the web: it has a search engine.
    """

    models: list[ModelSummary]
    configured: bool
    agents: bool
    web: bool


class AllowedModels(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The names of the models that members may use; null for all."""

    allowed: Annotated[list[str], msgspec.Meta(max_length=100)] | None


class ModelRoutes:
    """Handlers of the chat settings, and of the models and which are allowed.

    `has_queue`: whether there is a queue for agents.
    """

    def __init__(self, database: Database, models: ChatModels, settings: Settings, *, has_queue: bool) -> None:
        self.database = database
        self.models = models
        self.settings = settings
        self.has_queue = has_queue

    def routes(self) -> list[Route]:
        """Return the routes."""
        settings = "/api/chat/settings"
        return [
            Route("GET", settings, self.get_chat_settings, "Get the chat settings", returns=ChatSettings),
            Route(
                "PATCH",
                settings,
                self.update_chat_settings,
                "Change the chat settings",
                body=ChatSettingsChanges,
                returns=ChatSettings,
                access="owner",
            ),
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

    def get_chat_settings(self, call: Call) -> ChatSettings:
        """Get the workspace's instructions for chat models, and whether its members may share conversations."""
        with self.database.transaction(call.workspace_id) as tx:
            return read_chat_settings(tx, call.caller)

    def update_chat_settings(self, call: Call) -> ChatSettings:
        """Change the workspace's chat settings. Omitted fields stay as they are."""
        with self.database.transaction(call.workspace_id) as tx:
            return change_chat_settings(tx, call.caller, call.body)

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
        prices, models = load_prices(self.settings.prices), []
        for name in self.models.names if everything else allowed:
            price = prices.find(name)
            amounts = (float(price.input), float(price.output)) if price else (None, None)
            models.append(ModelSummary(name, name in allowed, *amounts))
        return ChatModelList(
            models,
            configured=self.models.are_configured,
            agents=self.models.are_configured and self.has_queue,
            web=is_configured(self.settings),
        )
