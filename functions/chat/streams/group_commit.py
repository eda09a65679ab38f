"""Group commit of the event log: one transaction for what all running answers of a workspace are about to send.

Each answer has a thread. The first one that appends a group commits it by itself. Groups that arrive meanwhile wait,
and the thread of one of them commits them all. An instance with a hundred answers so commits some dozens of times a
second, instead of two thousand times, and uses one database connection for it. A transaction has one workspace, for
row-level security.
"""

import threading
import uuid
from collections.abc import Sequence

from functions.chat.streams import message_log
from functions.chat.streams.message_log import AnswerKey
from functions.chat.streams.ui_message_stream import Event, Part
from headwater import logs
from headwater.database.transactions import Database


class _Group:
    """Parts that wait for their commit. `after`: number of the last event that their writer knows."""

    def __init__(self, answer: AnswerKey, parts: Sequence[Part], after: int) -> None:
        self.answer = answer
        self.parts = parts
        self.after = after
        self.events: list[Event] | None = None
        """Set once they are committed."""
        self.batch: list[_Group] = []
        """The groups that the thread of this one is to commit, with this one."""
        self._sleeping = threading.Lock()
        self._sleeping.acquire()

    def wait(self) -> None:
        """Wait for `wake`, which is called once."""
        self._sleeping.acquire()

    def wake(self) -> None:
        """Let the thread of this group continue."""
        self._sleeping.release()


class GroupCommit:
    """Appends to the logs of this instance's answers."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._lock = threading.Lock()
        self._waiting: dict[uuid.UUID, list[_Group]] = {}
        """The groups that wait, of each workspace for which a thread is committing."""

    def append(self, answer: AnswerKey, parts: Sequence[Part], after: int) -> list[Event]:
        """Append parts to a running answer, whose last known event has the number `after`. Returns their events.

        Raises AnswerEnded, and what `Database.transaction` raises, for this answer only: if a common transaction fails,
        each group has one of its own.
        """
        group = _Group(answer, parts, after)
        with self._lock:
            waiting = self._waiting.get(answer.workspace_id)
            if waiting is None:
                self._waiting[answer.workspace_id] = []
                group.batch = [group]
            else:
                waiting.append(group)
        if not group.batch:
            group.wait()
        if group.batch:
            self._lead(answer.workspace_id, group)
        return self._append_alone(group) if group.events is None else group.events

    def _lead(self, workspace_id: uuid.UUID, leader: _Group) -> None:
        """Commit a batch, then have another thread commit what has arrived meanwhile."""
        try:
            if len(leader.batch) == 1:
                leader.events = self._append_first(leader)
            else:
                self._commit(workspace_id, leader.batch)
        finally:
            with self._lock:
                waiting = self._waiting[workspace_id]
                if waiting:
                    self._waiting[workspace_id] = []
                    waiting[0].batch = waiting
                else:
                    del self._waiting[workspace_id]
            for group in [*waiting[:1], *leader.batch]:
                if group is not leader:
                    group.wake()

    def _commit(self, workspace_id: uuid.UUID, batch: Sequence[_Group]) -> None:
        """Set the events of those groups that are committed."""
        try:
            with self.database.transaction(workspace_id, reserved=True) as tx:
                appended = message_log.append_many(tx, workspace_id, [(each.answer, each.parts) for each in batch])
        except Exception as error:  # noqa: BLE001 - each group is appended alone, and raises its own error
            logs.event("answer.batch_failed", severity=30, error=error, groups=len(batch))
            return
        for group in batch:
            group.events = appended.get(group.answer.id)

    def _append_first(self, group: _Group) -> list[Event]:
        with self.database.transaction(group.answer.workspace_id, reserved=True) as tx:
            return message_log.append(tx, group.answer, group.parts)

    def _append_alone(self, group: _Group) -> list[Event]:
        """Append a group that was not committed with others, or of which that is unknown."""
        with self.database.transaction(group.answer.workspace_id, reserved=True) as tx:
            return message_log.append(tx, group.answer, group.parts, after=group.after)
