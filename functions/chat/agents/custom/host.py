"""Run an agent's process, answer its requests, and end it when it hangs, floods, or its answer was stopped."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context

import msgspec

from functions.chat.agents import store
from functions.chat.agents.custom.requests import Requests
from functions.chat.agents.limits import LimitReached, Limits
from functions.chat.agents.store import Agent
from functions.chat.answers.prompt import ModelMisconfigured
from functions.chat.streams.message_log import AnswerEnded
from headwater import logs
from headwater.agents.messages import MAX_MESSAGE_BYTES, AgentContext, Outcome, Reply, Request
from headwater.database.transactions import Database
from headwater.errors import DatabaseUnavailable, HeadwaterError, LeaseLost, PermanentError, UpstreamError, UserError
from headwater.extensions.discovery import Extension
from headwater.extensions.process import ExtensionProcess, display_name
from headwater.processes.messages import Disconnected, Failure, FailureKind
from headwater.processes.process import ProcessEnded, ProcessFailed, ProcessStopped
from headwater.usage.budgets import BudgetExceeded

MAX_PROCESSES = 4
"""Processes of agents on an instance. Others wait for their turn."""

MAX_REQUESTS = 8
"""Requests of a process that are answered at a time. Others wait in its socket."""

GRACE_S = 60.0
"""Time after AGENT_SECONDS in which a graph may write its answer, before its process is killed."""

LOOK_EVERY_S = 1.0
"""Between two looks at whether the answer was stopped."""

_DAY_S = 86_400.0
_FATAL = (AnswerEnded, LeaseLost, DatabaseUnavailable, BudgetExceeded, LimitReached, ModelMisconfigured)
"""What ends the process. The agent is told of other errors, and may go on."""

_slots = threading.BoundedSemaphore(MAX_PROCESSES)


class Host:
    """Runs the process of one agent, for one step of the queue.

    `silence_s`: time in which the process must ask for something.
    """

    def __init__(
        self, database: Database, agent: Agent, requests: Requests, limits: Limits, *, silence_s: float
    ) -> None:
        self._database = database
        self._agent = agent
        self._requests = requests
        self._limits = limits
        self._silence_s = silence_s
        self._fatal: BaseException | None = None
        self._running = 0
        self._lock = threading.Lock()
        self._room = threading.BoundedSemaphore(MAX_REQUESTS)
        self._last_heard = self._next_look = time.monotonic()
        self._ends_at = 0.0
        self._name = ""

    def run(self, extension: Extension, context: AgentContext, is_time_up: Callable[[], bool]) -> Outcome:
        """Go on with the agent.

        Raises AnswerEnded, LeaseLost, BudgetExceeded and LimitReached, PermanentError if the agent fails, and
        UpstreamError if it may succeed when it is tried again.
        """
        self._name = display_name(extension)
        while not _slots.acquire(timeout=LOOK_EVERY_S):
            self._look()
            if is_time_up():
                return Outcome("time is up")
        try:
            return self._run(extension, context)
        finally:
            _slots.release()
            self._requests.settle()

    def _run(self, extension: Extension, context: AgentContext) -> Outcome:
        with self._database.transaction(self._agent.answer.workspace_id) as tx:
            used, _ = store.read_used(tx, self._agent)
        self._last_heard = time.monotonic()
        self._ends_at = self._last_heard + self._limits.seconds + GRACE_S - used.seconds
        try:
            with (
                ThreadPoolExecutor(MAX_REQUESTS, "agent-requests") as pool,
                ExtensionProcess(extension, context) as own,
            ):
                for request in own.stream(
                    "run",
                    kind=Request,
                    timeout_s=_DAY_S,
                    max_bytes=MAX_MESSAGE_BYTES,
                    while_waiting=self._check,
                ):
                    if isinstance(request.call, Outcome):
                        return request.call
                    self._take(pool, own, request)
        except ProcessEnded as error:
            self._raise_fatal()
            raise UpstreamError(error.message) from error
        except ProcessFailed as error:
            self._raise_fatal()
            raise PermanentError(error.message) from error
        raise PermanentError(f"{self._name} ended without an answer.")

    def _take(self, pool: ThreadPoolExecutor, process: ExtensionProcess, request: Request) -> None:
        while not self._room.acquire(timeout=LOOK_EVERY_S):
            self._check()
        with self._lock:
            self._running += 1
        pool.submit(copy_context().run, self._answer, process, request)

    def _answer(self, process: ExtensionProcess, request: Request) -> None:
        try:
            value = self._requests.answer(request.call)
            reply = Reply(request.id, msgspec.Raw(msgspec.msgpack.encode(value)))
        except _FATAL as error:
            self._fatal = self._fatal or error
            return
        except HeadwaterError as error:
            reply = Reply(request.id, failure=_failure(error))
        except BaseException as error:  # noqa: BLE001 - raised by the step
            self._fatal = self._fatal or error
            return
        finally:
            with self._lock:
                self._running -= 1
                self._last_heard = time.monotonic()
            self._room.release()
        with suppress(Disconnected, TimeoutError):  # the step sees how the process has ended
            process.reply(reply)

    def _check(self) -> None:
        """Raise if the process is not to go on."""
        self._raise_fatal()
        now = time.monotonic()
        with self._lock:
            silent_s = 0.0 if self._running else now - self._last_heard
        if silent_s > self._silence_s:
            raise ProcessStopped(f"{self._name} did nothing for {self._silence_s:g} s and was stopped.")
        if now > self._ends_at:
            raise LimitReached(f"{self._limits.seconds:g} s (AGENT_SECONDS)")
        if now > self._next_look:
            self._next_look = now + LOOK_EVERY_S
            self._look()

    def _look(self) -> None:
        with self._database.transaction(self._agent.answer.workspace_id) as tx:
            if not store.is_running(tx, self._agent):
                store.lock(tx, self._agent)  # says why
                raise AnswerEnded

    def _raise_fatal(self) -> None:
        if self._fatal is not None:
            raise self._fatal


def _failure(error: HeadwaterError) -> Failure:
    kind: FailureKind = "permanent"
    if isinstance(error, UpstreamError):
        kind = "upstream"
    elif isinstance(error, UserError):
        kind = "invalid"
    logs.event("agent.request_failed", severity=30, error=error)
    return Failure(kind, error.message, getattr(error, "retry_after_s", None))
