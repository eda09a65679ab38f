"""Agents that installed packages or the folder `agents/` add: LangGraph graphs and LangChain runnables.

`discovery` finds them. `run` runs one in a process of its own, which asks its parent (`connection`, `messages`) for
models, tools and checkpoints. An agent's author needs `chat_model` and `workspace_tools` only (docs/own-agents.md).
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.tools import BaseTool


def chat_model() -> "BaseChatModel":
    """Return the model that the person has chosen, with the workspace's limits, budgets and fallbacks.

    Raises RuntimeError outside of an agent that Headwater runs.
    """
    from headwater.agents.connection import current
    from headwater.agents.model import HeadwaterModel

    return HeadwaterModel(connection=current())


def workspace_tools(*names: str) -> "list[BaseTool]":
    """Return the tools of the workspace, or those with these names that it has.

    Raises RuntimeError outside of an agent that Headwater runs.
    """
    from headwater.agents.connection import current
    from headwater.agents.tools import langchain_tools

    return langchain_tools(current(), names)
