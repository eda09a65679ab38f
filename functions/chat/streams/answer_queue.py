"""Add steps of the queue `chat` that write an answer again whose writer was lost. Cloud Tasks starts them.

Without a queue (`CHAT_URL` is not set) such answers end as interrupted.
"""

import threading
from functools import partial

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.chat.streams.message_log import AnswerKey
from headwater import logs
from headwater.database.transactions import after_commit
from headwater.errors import HeadwaterError
from headwater.queue.tickets import Tickets

WATCH_AFTER_S = 1.0
"""Seconds of writing after which the watchdog is armed. Most answers of the extractive model are complete before."""


class AnswerQueue:
    """Opens runs that write answers, and arms the watchdog that finds dead writers. `tickets`: None without a queue."""

    def __init__(self, tickets: Tickets | None) -> None:
        self.tickets = tickets
        self._arming = threading.Lock()

    def rewrite(self, tx: Connection, answer: AnswerKey) -> bool:
        """Have an answer written again if its lease has expired. Returns False without a queue, or if it can't be."""
        return self.tickets is not None and self._open_run(tx, answer)

    def hand_over(self, tx: Connection, answer: AnswerKey) -> bool:
        """Give up writing an answer, and have it written again. Returns False as `rewrite` does."""
        if self.tickets is None or not tx.execute(_EXPIRE, _values(answer)).rowcount:
            return False
        return self._open_run(tx, answer)

    def start(self, tx: Connection) -> None:
        """Wake the queue once the transaction is committed, for an answer that a step writes from the beginning."""
        assert self.tickets is not None
        after_commit(tx, partial(self.tickets.wake, ["chat"]))

    def watch(self) -> None:
        """Arm the watchdog on a thread of its own, unless it is armed. A failure is logged."""
        if self.tickets is None or self.tickets.is_watched() or not self._arming.acquire(blocking=False):
            return
        threading.Thread(target=self._arm, args=(self.tickets,), name="watchdog", daemon=True).start()

    def _arm(self, tickets: Tickets) -> None:
        try:
            tickets.arm_watchdog()
        except HeadwaterError as error:
            logs.event("watchdog.not_armed", severity=30, error=error)
        finally:
            self._arming.release()

    def _open_run(self, tx: Connection, answer: AnswerKey) -> bool:
        assert self.tickets is not None
        tx.execute(_REWRITE, _values(answer))
        if not tx.execute(_HAS_RUN, _values(answer)).scalar_one():
            return False
        after_commit(tx, partial(self.tickets.wake, ["chat"]))
        return True


def _values(answer: AnswerKey) -> dict[str, object]:
    return {"workspace_id": answer.workspace_id, "id": answer.id, "writing": answer.writing}


_EXPIRE = sa.text("""
    update messages set alive_until = '-infinity'
    where workspace_id = :workspace_id and id = :id and state = 'streaming' and writing = :writing
      and request is not null
""")

_REWRITE = sa.text("select rewrite_lost_answers(:workspace_id, :id, 0)")

_HAS_RUN = sa.text("""
    select exists (select 1 from runs
                   where workspace_id = :workspace_id and message_id = :id and kind = 'answer' and state = 'running')
""")
