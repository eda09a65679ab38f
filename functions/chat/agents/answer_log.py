"""What the log of an agent's answer has: the addresses that its model may open and link to, and its calls of a tool.

An agent opens no other addresses, whatever it has read. Functions run in the caller's transaction.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy.engine import Connection

from functions.chat.agents.store import Agent
from functions.chat.answers.links import addresses_in
from functions.chat.streams import message_log
from functions.chat.streams.message_parts import fold
from functions.chat.streams.tool_parts import ToolPart
from functions.chat.streams.ui_message_stream import SourcePart, WebSourcePart
from functions.chat.tools.ask_user import ASK_USER


def openable_addresses(tx: Connection, agent: Agent) -> list[str]:
    """Return the addresses of pages that the agent has found on the web, and those that the person has written."""
    parts = _parts(tx, agent)
    return [*_own(agent, parts), *(part.url for part in parts if isinstance(part, WebSourcePart))]


def linkable_addresses(tx: Connection, agent: Agent) -> list[str]:
    """Return the addresses of all passages, and those that the person has written."""
    parts = _parts(tx, agent)
    known = [*_own(agent, parts)]
    for part in parts:
        if isinstance(part, WebSourcePart):
            known.append(part.url)
        elif isinstance(part, SourcePart) and part.provider_metadata.headwater.url:
            known.append(part.provider_metadata.headwater.url)
    return known


def count_calls(tx: Connection, agent: Agent, name: str) -> int:
    """Return how often the agent has called a tool, running calls included."""
    return sum(isinstance(part, ToolPart) and part.tool_name == name for part in _parts(tx, agent))


def _own(agent: Agent, parts: Sequence[Any]) -> Iterator[str]:
    """Yield the addresses in questions and in answers to questions of the agent."""
    for turn in agent.task.turns:
        if turn.role == "user":
            yield from addresses_in(turn.text)
    for part in parts:
        if isinstance(part, ToolPart) and part.tool_name == ASK_USER and part.output is not None:
            yield from addresses_in(part.output.text)


def _parts(tx: Connection, agent: Agent) -> list[Any]:
    return list(fold(event.data for event in message_log.read(tx, agent.answer)))
