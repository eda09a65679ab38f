"""The output of a running program in the log of an agent's answer: bounded pieces, not more than two a second.

The pieces are shown while the program runs. They are not stored with the answer, whose part of the call has the output.
"""

import codecs
import time
from collections.abc import Callable

from functions.chat.agents import store
from functions.chat.agents.store import Agent
from functions.chat.streams import message_log
from functions.chat.streams.message_log import AnswerEnded
from functions.chat.streams.tool_parts import BuildPart, BuildState, BuildStatus, Log, LogPart
from functions.chat.tools.text import clean
from headwater.database.transactions import Database
from headwater.errors import LeaseLost

EVERY_S = 0.5
"""Time between two pieces, and between two looks at whether the answer was stopped."""

MAX_PIECE_CHARS = 4_000
MAX_CHARS = 30_000
"""Of one call. Later output is not shown while it runs."""


class OutputLog:
    """The output of one call. Ends the program once the answer was stopped, or another step runs the agent."""

    def __init__(
        self, database: Database, agent: Agent, call_id: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._agent = agent
        self._call_id = call_id
        self._clock = clock
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._waiting = ""
        self._left = MAX_CHARS
        self._pieces = 0
        self._next_at = clock() + EVERY_S
        self._has_ended = False

    def write(self, output: bytes) -> None:
        """Take output. It is shown by the next `is_stopped`."""
        if len(self._waiting) < self._left:
            self._waiting = (self._waiting + self._decoder.decode(output))[: self._left]

    def is_stopped(self) -> bool:
        """Log the waiting output, if it is time. Return True if the program must end."""
        if not self._has_ended and self._clock() >= self._next_at:
            self._next_at = self._clock() + EVERY_S
            self._show()
        return self._has_ended

    def show_build(self, status: BuildState, log: str = "", page: str = "") -> None:
        """Show how far the build of a page is, at its end the page's path."""
        part = BuildPart(id=self._call_id, data=BuildStatus(self._call_id, status, log, page))
        try:
            with self._database.transaction(self._agent.answer.workspace_id) as tx:
                store.lock(tx, self._agent)
                message_log.append_locked(tx, self._agent.answer, [part])
        except (AnswerEnded, LeaseLost):
            self._has_ended = True

    def _show(self) -> None:
        text = self._waiting[:MAX_PIECE_CHARS]
        self._waiting = self._waiting[len(text) :]
        self._left -= len(text)
        try:
            with self._database.transaction(self._agent.answer.workspace_id) as tx:
                if shown := clean(text):
                    store.lock(tx, self._agent)
                    part = LogPart(id=f"{self._call_id}/{self._pieces}", data=Log(self._call_id, shown))
                    message_log.append_locked(tx, self._agent.answer, [part])
                    self._pieces += 1
                else:
                    self._has_ended = not store.is_running(tx, self._agent)
        except (AnswerEnded, LeaseLost):
            self._has_ended = True
