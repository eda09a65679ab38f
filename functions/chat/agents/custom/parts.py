"""Write the progress and the calls of tools that an agent's process reports into the log of the answer.

Functions run in the caller's transaction.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy.engine import Connection

from functions.chat.agents import answer_log, call_store, store
from functions.chat.agents.posted_responses import MAX_INPUT_BYTES
from functions.chat.agents.store import Agent
from functions.chat.answers.answer_parts import AnswerParts
from functions.chat.answers.pieces import Thought
from functions.chat.streams import message_log
from functions.chat.streams.tool_parts import (
    ApprovalRequest,
    ToolError,
    ToolInput,
    ToolOutput,
    ToolText,
)
from functions.chat.streams.ui_message_stream import CustomPart, ModelName, Part
from functions.chat.tools.text import clean
from headwater.agents.messages import AskPerson, PersonAnswer, Said, ToolEnded, ToolStarted
from headwater.schemas import has_nul

MAX_TEXT_CHARS = 200_000
"""Characters of a message of the agent's."""

MAX_TEXTS = 500
"""Messages of an answer. Later ones are not shown."""

APPROVED = "Approved."
INTERRUPTED = "This call was interrupted."


def write_said(tx: Connection, agent: Agent, said: Sequence[Said]) -> None:
    """Append the agent's texts, with checked citations and links."""
    row = store.lock(tx, agent)
    new = said[: max(0, MAX_TEXTS - row.turns)]
    known = answer_log.LinkableAddresses(agent).read(tx) if new else []
    parts: list[Part] = []
    count = row.turns
    for each in new:
        text_id, thoughts_id = f"t{count + 1}", f"r{count + 1}."
        model = ModelName(agent.task.model, True)
        answer = AnswerParts(row.passages, known, model, text_id=text_id, thoughts_id=thoughts_id)
        pieces = Thought(clean(each.reasoning)), clean(each.text, MAX_TEXT_CHARS).strip()
        if made := [*(part for piece in pieces for part in answer.add(piece)), *answer.end()]:
            parts += made
            count += 1
    if parts:
        message_log.append_locked(tx, agent.answer, parts)
        store.set_turns(tx, agent, count)


def show_data(tx: Connection, agent: Agent, id_: str, value: Any) -> None:
    """Append a value, which takes the place of an earlier one with the same id."""
    store.lock(tx, agent)
    message_log.append_locked(tx, agent.answer, [CustomPart(id=id_, data=value)])


def start_tool(tx: Connection, agent: Agent, call: ToolStarted) -> None:
    """Begin a call of one of the agent's own tools, unless it was begun before an interruption."""
    store.lock(tx, agent)
    if call_store.read(tx, agent, call.call_id) is None:
        call_store.add(tx, agent, call.call_id, clean(call.name, 100), "running")
        message_log.append_locked(tx, agent.answer, [_input(call)])


def end_tool(tx: Connection, agent: Agent, call: ToolEnded) -> None:
    """End such a call, unless it has ended before an interruption."""
    store.lock(tx, agent)
    stored = call_store.read(tx, agent, call.call_id)
    if stored is not None and stored.output is None:
        text = clean(call.text)
        seconds = call_store.end(tx, agent, call.call_id, text, is_error=call.is_error)
        output = ToolText(text, round(seconds, 2))
        ended = (
            ToolError(tool_call_id=call.call_id, error_text=text)
            if call.is_error
            else ToolOutput(tool_call_id=call.call_id, output=output)
        )
        message_log.append_locked(tx, agent.answer, [ended])


def ask_person(tx: Connection, agent: Agent, call: AskPerson) -> PersonAnswer | None:
    """Ask the person once. Returns the answer, or None until there is one."""
    store.lock(tx, agent)
    stored = call_store.read(tx, agent, call.call_id)
    if stored is None:
        call_store.add(tx, agent, call.call_id, clean(call.name, 100), "approval" if call.is_approval else "answer")
        parts: list[Part] = [_input(call)]
        if call.is_approval:
            parts.append(ApprovalRequest(approval_id=call.call_id, tool_call_id=call.call_id))
        message_log.append_locked(tx, agent.answer, parts)
        return None
    if stored.state == "approved":
        call_store.start(tx, agent, call.call_id)
        call_store.end(tx, agent, call.call_id, APPROVED, is_error=False)
        approved = ToolOutput(tool_call_id=call.call_id, output=ToolText(APPROVED, 0))
        message_log.append_locked(tx, agent.answer, [approved])
        return PersonAnswer(APPROVED, input=stored.input)
    if stored.output is None:
        return None
    return PersonAnswer(stored.output, is_approved=not stored.is_error, input=stored.input)


def write_answer(tx: Connection, agent: Agent, text: str) -> None:
    """Append the answer of a graph without messages, unless it has said something."""
    if text and not store.lock(tx, agent).turns:
        write_said(tx, agent, [Said(text)])


def close_calls(tx: Connection, agent: Agent) -> None:
    """End the calls that were interrupted and not made again: the agent's task has run in another way since."""
    for call_id in call_store.open_calls(tx, agent):
        call_store.end(tx, agent, call_id, INTERRUPTED, is_error=True)
        message_log.append_locked(tx, agent.answer, [ToolError(tool_call_id=call_id, error_text=INTERRUPTED)])


def _input(call: ToolStarted | AskPerson) -> ToolInput:
    is_large = len(msgspec.json.encode(call.input)) > MAX_INPUT_BYTES
    shown = {} if is_large or has_nul(call.input) else call.input
    return ToolInput(tool_call_id=call.call_id, tool_name=clean(call.name, 100), input=shown)
