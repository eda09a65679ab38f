"""The step `agent` of the queue `chat`: run an agent for about a minute, then add the next step.

Each turn and call is stored when it ends. So if a step dies, the next one continues after the last finished call.
"""

import time
import uuid
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from sqlalchemy.engine import Connection

from functions.chat.agents import answer_log, call_store, store
from functions.chat.agents.custom.parts import close_calls
from functions.chat.agents.limits import NO_MODEL, LimitReached, Limits, notice
from functions.chat.agents.output_log import OutputLog
from functions.chat.agents.prompt import system_prompt
from functions.chat.agents.responses import pause
from functions.chat.agents.store import Agent
from functions.chat.answers.compose import MODEL_UNAVAILABLE
from functions.chat.answers.prompt import ModelMisconfigured, Turn
from functions.chat.files.files import ConversationFiles
from functions.chat.mcp_servers.remote_tools import read_remote_tools
from functions.chat.models.fallback import FallbackModel
from functions.chat.models.language_model import LanguageModel
from functions.chat.models.models import ChatModels
from functions.chat.retrieval.search import Search
from functions.chat.sandboxes.open_sandbox import can_build_pages, can_run_code, open_sandbox
from functions.chat.streams import message_log
from functions.chat.streams.message_log import AnswerEnded
from functions.chat.streams.ui_message_stream import CutMetadata, ErrorPart, FinishPart, Part
from functions.chat.tools.ask_user import ASK_USER, AskUser
from functions.chat.tools.build_page import BuildPage
from functions.chat.tools.calculate import Calculate
from functions.chat.tools.code import RunCommand, RunPython
from functions.chat.tools.delegate import DELEGATE, Delegate
from functions.chat.tools.files import EditFile, ListFiles, ReadFile, WriteFile
from functions.chat.tools.knowledge import (
    GrepDocuments,
    ListDocuments,
    ReadDocument,
    RecentChanges,
    Related,
    SearchKnowledge,
)
from functions.chat.tools.toolbox import Result, Toolbox
from functions.chat.tools.web import FetchPage, WebSearch
from functions.chat.web.engines import is_configured
from functions.chat.web.research import Research
from headwater import logs
from headwater.agents.discovery import find_agent
from headwater.agents.messages import AgentContext
from headwater.agents.messages import Turn as Said
from headwater.config import Settings
from headwater.database.transactions import Database
from headwater.errors import DatabaseUnavailable, HeadwaterError, PermanentError, UpstreamError
from headwater.file_store.places import Place, Quota
from headwater.filters.parse import parse_filter
from headwater.queue.ledger import Step
from headwater.queue.worker import StepResult
from headwater.sandbox.runner import CommandRunner
from headwater.tools import Tool, ToolContext, ToolDescription
from headwater.usage.budgets import BudgetExceeded
from headwater.usage.prices import load_prices
from headwater.web.shutdown import Lifetime

if TYPE_CHECKING:
    from functions.chat.agents.calls import Calls

SLICE_S = 60.0
"""Time after which a step hands over to the next one, between two calls."""

MAX_ATTEMPTS = 3
"""Attempts of a step at errors of the models. The person waits."""

NO_QUESTION = "The agent {} was interrupted without a question to the person."


class Working(msgspec.Struct, frozen=True):
    """What a step begins with. `attempt`: the number of earlier failures."""

    agent: Agent
    attempt: int


class Progress(msgspec.Struct, frozen=True):
    """The result of a step: the agent continues, waits for the person, has answered, has ended otherwise, or was
    stopped by a request.

    `write` stores the last turn of an agent that has answered; `last` and `ending` are the end of one that has not.
    """

    kind: Literal["going on", "waiting", "answered", "ended", "stopped"]
    agent: Agent | None = None
    write: Callable[[Connection], object] | None = None
    last: Part | None = None
    ending: message_log.Ending = "failed"


class RunAgent:
    """Handler of the steps `agent`."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        *,
        search: Search,
        research: Research,
        models: ChatModels,
        lifetime: Lifetime,
    ) -> None:
        self.database = database
        self.settings = settings
        self.search = search
        self.research = research
        self.models = models
        self.lifetime = lifetime

    def gather(self, tx: Connection, step: Step) -> Working | None:
        """Begin the step. Returns None if the answer has ended."""
        agent = store.take(tx, step.workspace_id, store.answer_id(step.key))
        if agent is None:
            return None
        return Working(msgspec.structs.replace(agent, lost_step=step.id if step.lost else None), step.attempt)

    def compute(self, gathered: Working | None) -> Progress:
        """Go on with the agent. What it does is stored at once."""
        if gathered is None:
            return Progress("stopped")
        agent, started = gathered.agent, time.monotonic()
        try:
            return self._go_on(agent, lambda: self.lifetime.is_ending() or time.monotonic() - started > SLICE_S)
        except AnswerEnded:
            return Progress("stopped")
        except LimitReached as error:
            return Progress("ended", agent, last=FinishPart("length", CutMetadata(notice(error.reached))), ending="cut")
        except BudgetExceeded as error:
            return Progress("ended", agent, last=FinishPart("other", CutMetadata(error.message)), ending="cut")
        except (UpstreamError, PermanentError) as error:
            is_retried = isinstance(error, UpstreamError) and gathered.attempt + 1 < MAX_ATTEMPTS
            if is_retried or isinstance(error, DatabaseUnavailable):
                raise
            return Progress("ended", agent, last=ErrorPart(_message(error, agent)))

    def apply(self, tx: Connection, step: Step, computed: Progress) -> StepResult:
        """Store how the answer ended, or add the next step."""
        agent = computed.agent
        if computed.kind == "going on" and agent is not None:
            return StepResult(next_steps=[store.next_step(agent)])
        if computed.kind == "waiting" and agent is not None:
            return self._wait(tx, step, agent)
        if agent is not None and computed.kind != "stopped":
            self._end(tx, agent, computed)
        return self._finish(tx, step)

    def _wait(self, tx: Connection, step: Step, agent: Agent) -> StepResult:
        """End the run until the person responds, or add the next step if the person has done so meanwhile."""
        try:
            if not pause(tx, agent):
                return StepResult(next_steps=[store.next_step(agent)])
        except AnswerEnded:
            return self._finish(tx, step)
        if agent.task.agent and not call_store.any_waits(tx, agent):
            self._end(tx, agent, Progress("ended", agent, last=ErrorPart(NO_QUESTION.format(agent.task.agent))))
            return self._finish(tx, step)
        store.end_run(tx, step.run_id, "succeeded")
        logs.event("agent.waiting", answer_id=agent.answer.id)
        return StepResult()

    def _finish(self, tx: Connection, step: Step) -> StepResult:
        store.delete(tx, step.workspace_id, store.answer_id(step.key))
        store.end_run(tx, step.run_id, "succeeded")
        return StepResult()

    def give_up(self, tx: Connection, step: Step, reason: str) -> None:
        """End the answer and the run as failed."""
        agent = store.take(tx, step.workspace_id, store.answer_id(step.key))
        if agent is not None:
            message_log.end(tx, agent.answer, "failed", ErrorPart(reason))
        store.delete(tx, step.workspace_id, store.answer_id(step.key))
        store.end_run(tx, step.run_id, "failed")

    def _go_on(self, agent: Agent, is_time_up: Callable[[], bool]) -> Progress:
        from functions.chat.agents.calls import Calls
        from functions.chat.agents.checkpoints import Checkpoints
        from functions.chat.agents.loop import run_agent
        from functions.chat.agents.sub_agents import INSTRUCTIONS, SubTurns, run_sub_agent
        from functions.chat.agents.turns import Turns

        model = self.models.choose(agent.task.model, agent.task.models)
        if not isinstance(model, LanguageModel | FallbackModel):
            raise ModelMisconfigured(NO_MODEL)
        tools = self._tools(agent)
        remote = read_remote_tools(self.database, agent.answer.workspace_id, self.settings)
        toolbox = Toolbox(tools, remote)
        prices, timeout_s = load_prices(self.settings.prices), self.settings.chat_timeout_s
        limits, quota = Limits.of(self.settings), Quota.of(self.settings)
        turns = Turns(self.database, agent, model, prices=prices, limits=limits, timeout_s=timeout_s)

        def delegated(call_id: str, task: str) -> Result:
            box = Toolbox([tool for tool in tools if tool.name not in (ASK_USER, DELEGATE)], remote)
            of_sub_agent = Limits.of_sub_agent(self.settings)
            own = SubTurns(self.database, agent, model, prices=prices, limits=of_sub_agent, timeout_s=timeout_s)
            own.sub_agent, own.of_answer = call_id, limits
            return run_sub_agent(
                self.database,
                agent,
                call_id,
                lambda: run_agent(
                    [Turn("user", task)],
                    box.describe(),
                    instructions=instructions + INSTRUCTIONS,
                    turns=own,
                    calls=Calls(self.database, agent, box, self._context(agent), quota, parent=call_id),
                    checkpoints=Checkpoints(self.database, agent, call_id),
                    is_time_up=is_time_up,
                ),
            )

        instructions = system_prompt(agent.task.instructions, with_web=is_configured(self.settings))
        if agent.task.agent:
            own_tools = Toolbox([tool for tool in tools if tool.name != DELEGATE], remote)
            calls = Calls(self.database, agent, own_tools, self._context(agent), quota)
            return self._go_on_custom(agent, own_tools.describe(), model, calls, is_time_up)
        calls = Calls(self.database, agent, toolbox, self._context(agent), quota, delegated=delegated)
        checkpoints = Checkpoints(self.database, agent)
        messages = run_agent(
            agent.task.turns,
            toolbox.describe(),
            instructions=instructions,
            turns=turns,
            calls=calls,
            checkpoints=checkpoints,
            is_time_up=is_time_up,
        )
        if messages == "time is up":
            return Progress("going on", agent)
        if messages == "waiting":
            return Progress("waiting", agent)
        return Progress("answered", agent, lambda tx: turns.write(tx, messages))

    def _go_on_custom(
        self,
        agent: Agent,
        tools: Sequence[ToolDescription],
        model: LanguageModel | FallbackModel,
        calls: "Calls",
        is_time_up: Callable[[], bool],
    ) -> Progress:
        """Go on with an installed agent, in a process of its own."""
        from functions.chat.agents.custom.host import Host
        from functions.chat.agents.custom.parts import write_answer
        from functions.chat.agents.custom.requests import Requests, UnloggedTurns
        from functions.chat.agents.custom.state import read_state, write_state

        extension = find_agent(agent.task.agent, self.settings.agents_dir)
        limits, prices = Limits.of(self.settings), load_prices(self.settings.prices)
        timeout_s = self.settings.chat_timeout_s
        turns = UnloggedTurns(self.database, agent, model, prices=prices, limits=limits, timeout_s=timeout_s)
        requests = Requests(
            self.database,
            agent,
            turns=turns,
            calls=calls,
            limits=limits,
            prices=prices,
            timeout_s=timeout_s,
            is_time_up=is_time_up,
        )
        task = agent.task
        with self.database.transaction(agent.answer.workspace_id) as tx:
            state = read_state(tx, agent)
        context = AgentContext(
            task.client_id,
            agent.answer.id,
            task.subject,
            [Said("user" if turn.role == "user" else "assistant", turn.text) for turn in task.turns],
            tools,
            state,
        )
        host = Host(self.database, agent, requests, limits, silence_s=self.settings.extension_timeout_s)
        outcome = host.run(extension, context, is_time_up)
        if outcome.kind == "time is up":
            return Progress("going on", agent)
        if outcome.kind == "waiting":
            return Progress("waiting", agent)

        def write(tx: Connection) -> None:
            write_answer(tx, agent, outcome.text)
            write_state(tx, agent, outcome.state)

        return Progress("answered", agent, write)

    def _end(self, tx: Connection, agent: Agent, computed: Progress) -> None:
        """Write the last turn and the end. A request that stops the answer at this moment has precedence."""
        try:
            row = store.lock(tx, agent)
            if agent.task.agent:
                close_calls(tx, agent)
            last, ending = computed.last, computed.ending
            if computed.write is not None:
                computed.write(tx)
                last, ending = FinishPart("stop"), "complete"
                if row.stopping:
                    last, ending = FinishPart("length", CutMetadata(notice(row.stopping))), "cut"
                elif agent.task.agent and not store.lock(tx, agent).turns:
                    last, ending = ErrorPart(f"The agent {agent.task.agent} ended without an answer."), "failed"
            assert last is not None
            message_log.end(tx, agent.answer, ending, last)
            ms = round(row.seconds * 1000)
            logs.event(
                "agent",
                ending=ending,
                model_calls=row.model_calls,
                tokens=row.tokens,
                answer_id=agent.answer.id,
                duration_ms=ms,
            )
        except AnswerEnded:
            return

    def _tools(self, agent: Agent) -> Sequence[Tool[Any]]:
        chosen = parse_filter(agent.task.filter)
        place = Place(agent.answer.workspace_id, agent.answer.conversation_id)
        files = ConversationFiles(self.database, self.settings, place)

        def output_of(call_key: str) -> OutputLog:
            return OutputLog(self.database, agent, call_key.partition("/")[2])

        def sandbox() -> CommandRunner:
            return open_sandbox(self.settings, place.workspace_id)

        code: list[Tool[Any]] = [RunPython(files, output_of, sandbox), RunCommand(files, output_of, sandbox)]
        return [
            SearchKnowledge(self.search, chosen),
            ReadDocument(self.database, chosen),
            ListDocuments(self.database, chosen),
            GrepDocuments(self.database, chosen),
            Related(self.database, chosen),
            RecentChanges(self.database, chosen),
            AskUser(),
            Delegate(),
            *(self._web_tools(agent) if is_configured(self.settings) else []),
            *(code if can_run_code(self.settings) else []),
            *([BuildPage(files, output_of, sandbox)] if can_build_pages(self.settings) else []),
            Calculate(),
            ListFiles(files),
            ReadFile(files),
            WriteFile(files),
            EditFile(files),
        ]

    def _web_tools(self, agent: Agent) -> list[Tool[Any]]:
        def openable() -> Sequence[str]:
            with self.database.transaction(agent.answer.workspace_id) as tx:
                return answer_log.openable_addresses(tx, agent)

        def count() -> int:
            with self.database.transaction(agent.answer.workspace_id) as tx:
                return answer_log.count_calls(tx, agent, WebSearch.name)

        is_owner = agent.task.role == "owner"
        return [
            WebSearch(self.research, agent.task.payer, is_owner=is_owner, count=count),
            FetchPage(self.research, openable),
        ]

    def _context(self, agent: Agent) -> ToolContext:
        workspace_id: uuid.UUID = agent.answer.workspace_id
        return ToolContext(
            workspace_id=workspace_id,
            caller=agent.task.subject,
            settings={},
            blob_url=self.settings.blob_url,
            blob_prefix=f"tools/{workspace_id}/",
            allow_private=False,
        )


def _message(error: HeadwaterError, agent: Agent) -> str:
    """Return what the person is told; only owners which settings to change."""
    is_hidden = isinstance(error, ModelMisconfigured) and agent.task.role != "owner"
    return MODEL_UNAVAILABLE if is_hidden else error.message
