"""Calls of tools by an agent: each is stored before it begins and when it ends, together with its events.

A call that was interrupted is made again if its tool changes nothing. Otherwise the model is told, and decides.
"""

from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy.engine import Connection

from functions.chat.agents import store
from functions.chat.agents.prompt import passages_text
from functions.chat.agents.store import Agent
from functions.chat.answers.evidence import source_part
from functions.chat.streams import message_log
from functions.chat.streams.tool_parts import ToolError, ToolInput, ToolOutput, ToolText
from functions.chat.streams.ui_message_stream import Part
from functions.chat.tools.text import clean
from functions.chat.tools.toolbox import Result, Toolbox
from headwater.database.transactions import Database
from headwater.schemas import has_nul
from headwater.tools import ToolContext

MAX_INPUT_BYTES = 200_000
"""Arguments of a call as JSON."""

INTERRUPTED = (
    "This call was interrupted, and it is unknown whether it had its effect. It was not repeated. "
    "Check before you call it again."
)


class Calls:
    """Runs the calls of one agent."""

    def __init__(self, database: Database, agent: Agent, toolbox: Toolbox, context: ToolContext) -> None:
        self._database = database
        self._agent = agent
        self._toolbox = toolbox
        self._context = context

    def run(
        self, call_id: str, name: str, arguments: dict[str, Any], before: Callable[[Connection], object]
    ) -> tuple[str, bool]:
        """Return the result of a call for the model, and whether it is an error.

        `before` writes what comes before the call in the log. Raises AnswerEnded, LeaseLost.
        """
        problem = _problem(arguments)
        shown = {} if problem else arguments
        part = ToolInput(tool_call_id=call_id, tool_name=clean(name, 100), input=shown)
        with self._database.transaction(self._agent.answer.workspace_id) as tx:
            before(tx)
            begun = store.begin_call(tx, self._agent, call_id, part)
        if begun and begun.output is not None:
            return begun.output, begun.is_error
        if problem:
            result = Result(problem, is_error=True)
        elif begun and not self._toolbox.may_repeat(name):
            result = Result(INTERRUPTED, is_error=True)
        else:
            result = self._toolbox.call(name, self._context, arguments)
        return self._end(call_id, result)

    def _end(self, call_id: str, result: Result) -> tuple[str, bool]:
        """Store the result and its events. Passages get the next numbers of the answer."""
        with self._database.transaction(self._agent.answer.workspace_id) as tx:
            store.lock(tx, self._agent)
            parts: list[Part] = []
            text = result.text
            if not result.is_error and not result.text:
                first = store.number_passages(tx, self._agent, len(result.passages))
                parts += [source_part(n, passage) for n, passage in enumerate(result.passages, start=first)]
                text = clean(passages_text(result.passages, first, result.note))
            seconds = round(store.seconds_of_call(tx, self._agent, call_id), 2)
            store.end_call(tx, self._agent, call_id, text, is_error=result.is_error)
            if result.is_error:
                parts.append(ToolError(tool_call_id=call_id, error_text=text))
            else:
                parts.append(ToolOutput(tool_call_id=call_id, output=ToolText(text, seconds)))
            message_log.append(tx, self._agent.answer, parts)
        return text, result.is_error


def _problem(arguments: dict[str, Any]) -> str:
    """Return why arguments can't be used or stored, "" if they can."""
    try:
        encoded = msgspec.json.encode(arguments)
    except (TypeError, UnicodeEncodeError):
        return "The arguments have characters that no text may have."
    if len(encoded) > MAX_INPUT_BYTES:
        return f"The arguments have {len(encoded):,} bytes, more than the limit of {MAX_INPUT_BYTES:,}."
    return "The arguments have a NUL character, which no text may have." if has_nul(arguments) else ""
