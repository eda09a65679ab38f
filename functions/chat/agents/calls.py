"""Calls of tools by an agent: each is stored before it begins and when it ends, together with its events.

A call that was interrupted is made again if its tool changes nothing. Otherwise the model is told, and decides. A call
that needs an approval waits (`responses`).
"""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import UNSET
from sqlalchemy.engine import Connection

from functions.chat.agents import call_store, store
from functions.chat.agents.call_store import CallState
from functions.chat.agents.posted_responses import MAX_INPUT_BYTES
from functions.chat.agents.prompt import passages_text
from functions.chat.agents.store import Agent
from functions.chat.answers.evidence import source_part
from functions.chat.streams import message_log
from functions.chat.streams.message_log import AnswerEnded
from functions.chat.streams.tool_parts import (
    ApprovalRequest,
    CallMetadata,
    Files,
    FilesPart,
    ParentCall,
    ToolError,
    ToolInput,
    ToolOutput,
    ToolText,
    WrittenFile,
)
from functions.chat.streams.ui_message_stream import Part
from functions.chat.tools.approvals import read_approvals
from functions.chat.tools.ask_user import ASK_USER
from functions.chat.tools.delegate import DELEGATE
from functions.chat.tools.files import describe_changes
from functions.chat.tools.text import clean
from functions.chat.tools.toolbox import Result, Toolbox
from headwater.database.transactions import Database
from headwater.errors import NotFound, UserError
from headwater.file_store import versions
from headwater.file_store.places import Place, Quota
from headwater.file_store.versions import Version
from headwater.schemas import has_nul
from headwater.tools import ToolContext

INTERRUPTED = (
    "This call was interrupted, and it is unknown whether it had its effect. It was not repeated. "
    "Check before you call it again."
)


class Waiting(Exception):
    """A call waits for the person who asked."""


class TimeUp(Exception):
    """The time of the step is up while a sub-agent runs. The next step continues it."""


Delegated = Callable[[str, str], Result]
"""Runs a sub-agent: takes the id of the call and the task. Raises Waiting, TimeUp."""


class Calls:
    """Runs the calls of one agent, or of its sub-agent that the call `parent` runs."""

    def __init__(
        self,
        database: Database,
        agent: Agent,
        toolbox: Toolbox,
        context: ToolContext,
        quota: Quota,
        *,
        delegated: Delegated | None = None,
        parent: str = "",
    ) -> None:
        """`quota`: of the files that calls write. `delegated` runs sub-agents; a sub-agent has none."""
        self._delegated = delegated
        self._parent = parent
        self._database = database
        self._agent = agent
        self._toolbox = toolbox
        self._context = context
        self._quota = quota
        self._place = Place(agent.answer.workspace_id, agent.answer.conversation_id)

    def run(
        self, call_id: str, name: str, arguments: dict[str, Any], before: Callable[[Connection], object]
    ) -> tuple[str, bool]:
        """Return the result of a call for the model, and whether it is an error.

        `before` locks the agent's row, and writes what comes before the call in the log.
        Raises Waiting, TimeUp, AnswerEnded, LeaseLost.
        """
        problem = _problem(arguments)
        with self._database.transaction(self._agent.answer.workspace_id) as tx:
            before(tx)
            call = call_store.read(tx, self._agent, call_id)
            if call is None:
                is_waiting = self._begin(tx, call_id, name, arguments, problem)
            elif call.state == "approved":
                call_store.start(tx, self._agent, call_id)
        if is_waiting if call is None else call.state in ("approval", "answer"):
            raise Waiting
        if call and call.output is not None:
            return call.output, call.is_error
        context = msgspec.structs.replace(self._context, call_key=self._key(call_id))
        if problem:
            result = Result(problem, is_error=True)
        elif call and call.state == "running" and self._may_have_had_effect(name, arguments):
            result = Result(INTERRUPTED, is_error=True)
        elif call and call.input is not None:
            result = self._call(context, call_id, name, call.input)
            return self._end(call_id, result, _changed(call.input))
        else:
            result = self._call(context, call_id, name, arguments)
        return self._end(call_id, result)

    def _may_have_had_effect(self, name: str, arguments: dict[str, Any]) -> bool:
        """Return whether a call that was interrupted may not be repeated. One that can only fail may."""
        return not self._toolbox.may_repeat(name) and self._toolbox.accepts(name, arguments)

    def _call(self, context: ToolContext, call_id: str, name: str, arguments: dict[str, Any]) -> Result:
        if name == DELEGATE and self._delegated and self._toolbox.accepts(name, arguments):
            return self._delegated(call_id, arguments["task"])
        return self._toolbox.call(name, context, arguments)

    def _begin(self, tx: Connection, call_id: str, name: str, arguments: dict[str, Any], problem: str) -> bool:
        """Store a call and its first events. Returns whether it waits for the person."""
        state: CallState = "running" if problem else self._first_state(tx, name, arguments)
        call_store.add(tx, self._agent, call_id, name, state)
        store.note_progress(tx, self._agent)
        shown = {} if problem else arguments
        of_parent = CallMetadata(ParentCall(self._parent)) if self._parent else UNSET
        shown_name = clean(name, 100)
        parts: list[Part] = [
            ToolInput(tool_call_id=call_id, tool_name=shown_name, input=shown, provider_metadata=of_parent)
        ]
        if state == "approval":
            parts.append(ApprovalRequest(approval_id=call_id, tool_call_id=call_id))
        message_log.append_locked(tx, self._agent.answer, parts)
        return state != "running"

    def _first_state(self, tx: Connection, name: str, arguments: dict[str, Any]) -> CallState:
        """Return what a new call does: begin, or wait for an approval. Calls that can only fail begin."""
        if not self._toolbox.accepts(name, arguments):
            return "running"
        if name == ASK_USER:
            return "answer"
        chosen = read_approvals(tx, self._agent.answer.workspace_id)
        approval = chosen.get(name) or self._toolbox.default_approval(name)
        if approval == "never" or (approval == "first" and call_store.was_approved(tx, self._agent, name)):
            return "running"
        return "approval"

    def _end(self, call_id: str, result: Result, note: str = "") -> tuple[str, bool]:
        """Store the result, the files that it wrote, and its events. Passages get the next numbers of the answer.

        Only the model reads `note`.
        """
        with self._database.transaction(self._agent.answer.workspace_id) as tx:
            if result.versions:
                self._lock_files(tx)
            store.lock(tx, self._agent)
            store.note_progress(tx, self._agent)
            parts: list[Part] = []
            written: list[Version] = []
            try:
                written = self._add_versions(tx, call_id, result)
            except UserError as error:
                result = Result(clean(f"{error.message}\n\n{result.text}".rstrip()), is_error=True)
            text = result.text
            if result.versions:
                text = clean(f"{text}\n\n{describe_changes(written)}".lstrip())
            if not result.is_error and not text:
                first = store.number_passages(tx, self._agent, len(result.passages))
                parts += [source_part(n, passage) for n, passage in enumerate(result.passages, start=first)]
                text = clean(passages_text(result.passages, first, result.note))
            for_model = note + text
            seconds = round(call_store.end(tx, self._agent, call_id, for_model, is_error=result.is_error), 2)
            if result.is_error:
                parts.append(ToolError(tool_call_id=call_id, error_text=text))
            else:
                parts.append(ToolOutput(tool_call_id=call_id, output=ToolText(text, seconds)))
            if written:
                parts.append(FilesPart(id=call_id, data=Files(call_id, [_written(version) for version in written])))
            message_log.append_locked(tx, self._agent.answer, parts)
        return for_model, result.is_error

    def _lock_files(self, tx: Connection) -> None:
        try:
            versions.lock(tx, self._place)
        except NotFound as error:
            raise AnswerEnded from error

    def _add_versions(self, tx: Connection, call_id: str, result: Result) -> list[Version]:
        if not result.versions:
            return []
        message_id, key = self._agent.answer.id, self._key(call_id)
        return versions.add(tx, self._place, result.versions, self._quota, message_id=message_id, key=key)

    def _key(self, call_id: str) -> str:
        return f"{self._agent.answer.id}/{call_id}"


def _changed(arguments: dict[str, Any]) -> str:
    """Return what the model is told before the result of a call whose arguments the person has changed."""
    return f"(The person has changed the arguments to {clean(msgspec.json.encode(arguments).decode(), 5_000)}.)\n\n"


def _written(version: Version) -> WrittenFile:
    return WrittenFile(version.path, version.version, version.bytes, is_deleted=version.sha256 is None)


def _problem(arguments: dict[str, Any]) -> str:
    """Return why arguments can't be used or stored, "" if they can."""
    try:
        encoded = msgspec.json.encode(arguments)
    except (TypeError, UnicodeEncodeError):
        return "The arguments have characters that no text may have."
    if len(encoded) > MAX_INPUT_BYTES:
        return f"The arguments have {len(encoded):,} bytes, more than the limit of {MAX_INPUT_BYTES:,}."
    return "The arguments have a NUL character, which no text may have." if has_nul(arguments) else ""
