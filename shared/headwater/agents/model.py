"""LangChain's interface to the workspace's model, which the parent calls. Imports LangChain."""

from collections.abc import Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, message_to_dict, messages_from_dict
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool

from headwater.agents.connection import Connection
from headwater.agents.messages import AskModel, plain_json


class HeadwaterModel(BaseChatModel):
    """The model that the person has chosen, or the next one if it fails."""

    connection: Any
    bound: Sequence[dict[str, Any]] = ()
    choice: str = ""

    @property
    def _llm_type(self) -> str:
        return "headwater"

    def bind_tools(self, tools: Sequence[Any], *, tool_choice: Any = None, **_: Any) -> Runnable[Any, AIMessage]:
        """Return a model that may call tools, or must: `tool_choice` is a tool's name, `any` or True."""
        bound = [convert_to_openai_tool(tool) for tool in tools]
        return self.model_copy(update={"bound": bound, "choice": _choice(tool_choice)})

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002 - the signature is LangChain's
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **_: Any,
    ) -> ChatResult:
        connection: Connection = self.connection
        call = AskModel(plain_json([message_to_dict(message) for message in messages]), self.bound, self.choice)
        answered: dict[str, Any] = connection.request(call, dict[str, Any])
        [message] = messages_from_dict([answered])
        return ChatResult(generations=[ChatGeneration(message=message)])


def _choice(tool_choice: Any) -> str:
    if isinstance(tool_choice, dict):
        return str(tool_choice.get("function", {}).get("name", "any"))
    if tool_choice in (True, "required"):
        return "any"
    return tool_choice if isinstance(tool_choice, str) and tool_choice not in ("auto", "none") else ""
