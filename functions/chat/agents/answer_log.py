"""Read the log of an agent's answer: the addresses that its model may open and link to, and its calls of a tool.

An agent opens no other addresses, whatever it has read. Functions run in the caller's transaction.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy.engine import Connection

from functions.chat.agents.store import Agent
from functions.chat.answers.links import addresses_in
from functions.chat.streams import message_log
from functions.chat.streams.message_parts import decode, fold
from functions.chat.streams.tool_parts import ToolInput, ToolOutput, ToolPart
from functions.chat.streams.ui_message_stream import SourcePart, WebSourcePart
from functions.chat.tools.ask_user import ASK_USER


def openable_addresses(tx: Connection, agent: Agent) -> list[str]:
    """Return the addresses of pages that the agent has found on the web, and those that the person has written."""
    parts = _parts(tx, agent)
    return [*_own(agent, parts), *(part.url for part in parts if isinstance(part, WebSourcePart))]


class LinkableAddresses:
    """The addresses of all passages, and those that the person has written. Reads each event of the log once."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._after = 0
        self._known = [*_of_questions(agent)]
        self._asked: set[str] = set()

    def read(self, tx: Connection) -> list[str]:
        """Return the addresses, with those that the log has got since the last look."""
        for event in message_log.read(tx, self._agent.answer, self._after):
            self._after = event.seq
            if event.data.startswith(('{"type":"source-', '{"type":"tool-')):
                self._known += self._of(decode(event.data))
        return self._known

    def _of(self, part: Any) -> Iterator[str]:
        match part:
            case WebSourcePart():
                yield part.url
            case SourcePart() if part.provider_metadata.headwater.url:
                yield part.provider_metadata.headwater.url
            case ToolInput() if part.tool_name == ASK_USER:
                self._asked.add(part.tool_call_id)
            case ToolOutput() if part.tool_call_id in self._asked:
                yield from addresses_in(part.output.text)


def count_calls(tx: Connection, agent: Agent, name: str) -> int:
    """Return how often the agent has called a tool, running calls included."""
    return sum(isinstance(part, ToolPart) and part.tool_name == name for part in _parts(tx, agent))


def _own(agent: Agent, parts: Sequence[Any]) -> Iterator[str]:
    """Yield the addresses in questions and in answers to questions of the agent."""
    yield from _of_questions(agent)
    for part in parts:
        if isinstance(part, ToolPart) and part.tool_name == ASK_USER and part.output is not None:
            yield from addresses_in(part.output.text)


def _of_questions(agent: Agent) -> Iterator[str]:
    for turn in agent.task.turns:
        if turn.role == "user":
            yield from addresses_in(turn.text)


def _parts(tx: Connection, agent: Agent) -> list[Any]:
    return list(fold(event.data for event in message_log.read(tx, agent.answer)))
