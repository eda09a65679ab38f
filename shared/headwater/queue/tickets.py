"""Wake workers through Cloud Tasks.

A ticket is a task that says "drain queue Q". Tickets may be lost, duplicated or late; the ledger decides what work is
done. The table `tickets` counts the outstanding tickets of each queue, so that their number is bounded.

While any run is open, a delayed ticket (the watchdog) repairs what a crash left: expired leases, missing tickets. The
queue `chat` has a watchdog of its own, while any answer is being written or a step of that queue is open. At most two
watchdogs of each kind are scheduled: their times are multiples of half a period, and each time is a task's name, which
Cloud Tasks accepts once.
"""

import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater import logs, tracing
from headwater.config import Settings
from headwater.database.transactions import ALL_WORKSPACES, Database
from headwater.errors import UpstreamError
from headwater.google_clients import connection, with_deadlines
from headwater.outbound.deadline import within
from headwater.queue import ledger
from headwater.redaction import quote

if TYPE_CHECKING:
    from google.cloud.tasks_v2 import CloudTasksClient

QUEUES = ("chat", "collection", "embedding")

LOST_ANSWER_S = 5.0
"""Seconds from the end of an answer's lease until the watchdog has it written again. Its readers notice before."""

_WATCHDOGS = uuid.UUID("5b9f3c0e-6f0c-4c0b-9d7e-3f6a3f1c7a11")
"""UUID namespace of the watchdogs' ids."""


class Ticket(msgspec.Struct, frozen=True):
    """The body of `POST /tasks/drain`."""

    queue: str
    id: uuid.UUID
    watch: bool = False


class Tickets:
    """Sends tickets with Google's Cloud Tasks client. `watchdog`: the queue of the watchdog that is armed."""

    send_timeout_s = 15.0
    """Seconds to keep retrying a send; covers a restart of the queue service."""

    def __init__(
        self, database: Database, settings: Settings, watchdog: Literal["chat", "collection"] = "collection"
    ) -> None:
        self.database = database
        self.settings = settings
        self.watchdog = watchdog
        self._watchdog_due = datetime.min.replace(tzinfo=UTC)
        self._lock = threading.Lock()

    def wake(self, queues: Sequence[str], delay_s: float = 0.0) -> None:
        """Send the tickets that the due steps of these queues need.

        Call it after the commit. A ticket that can't be sent is logged; the watchdog sends it later. Also arms the
        watchdog if its time has passed: one armed before the commit came too early if the process was suspended in
        between.
        """
        due = datetime.now(UTC) + timedelta(seconds=delay_s) if delay_s else None
        for queue in queues:
            try:
                missing = [uuid.uuid4()] if due else self._issue_missing(queue)
                for ticket_id in missing:
                    self._send(Ticket(queue, ticket_id), due)
                if missing and self._watchdog_due <= datetime.now(UTC):
                    self.arm_watchdog()
            except UpstreamError as error:
                logs.event("ticket.not_sent", severity=30, error=error, queue=queue)

    @contextmanager
    def opening_run(self, workspace_id: uuid.UUID) -> Iterator[Connection]:
        """Open a transaction that starts a run; wake the queue after its commit.

        Arms the watchdog first, so that a crash after the commit can't orphan the run. Raises UpstreamError if Cloud
        Tasks can't be reached; the transaction is then not opened.
        """
        self.arm_watchdog()
        with self.database.transaction(workspace_id) as tx:
            yield tx
        self.wake(["collection"])

    def arm_watchdog(self) -> None:
        """Schedule the watchdog, unless one for the same time exists.

        Call it before the commit that opens work, so that a crash right after the commit is repaired too. Raises
        UpstreamError if Cloud Tasks can't be reached.
        """
        due = watchdog_due(datetime.now(UTC), self.settings.watchdog_s)
        ticket_id = uuid.uuid5(_WATCHDOGS, f"{self.watchdog} {due.isoformat()}")
        self._send(Ticket(self.watchdog, ticket_id, watch=True), due)
        self._watchdog_due = due

    def is_watched(self) -> bool:
        """Return True if the watchdog that was armed last is not due yet."""
        return self._watchdog_due > datetime.now(UTC)

    def watch(self) -> None:
        """Return expired leases, add missing `finish` steps, have lost answers written again, and replace lost tickets.

        Rearms while any run is open, or, if it is the watchdog of `chat`, while any answer is being written or a step
        of that queue is open.
        """
        with self.database.transaction(ALL_WORKSPACES) as tx:
            taken_back = ledger.take_back(tx)
            ledger.fan_in(tx)
            has_runs = ledger.has_open_runs(tx)
            has_answers = ledger.rewrite_lost_answers(tx, LOST_ANSWER_S) or ledger.has_open_chat_steps(tx)
            lost = tx.execute(_DELETE_TICKETS).rowcount
        if taken_back or lost:
            logs.event("watchdog", taken_back=taken_back, lost_tickets=lost)
        if has_answers if self.watchdog == "chat" else has_runs:
            self.arm_watchdog()
        if self.watchdog == "chat":
            self.wake(["chat"])
        elif has_runs or has_answers:
            self.wake(QUEUES)

    def acknowledge(self, ticket: Ticket) -> None:
        """Delete a served ticket, and send another if due steps are left."""
        with self.database.transaction(ALL_WORKSPACES) as tx:
            tx.execute(sa.text("delete from tickets where id = :id"), {"id": ticket.id})
        self.wake([ticket.queue])

    def max_per_workspace(self, queue: str) -> int | None:
        """Return how many tickets of a queue one workspace may occupy; None for all.

        Servers of one workspace may be slow until their deadlines. One ticket is left for others then.
        """
        is_shared = (
            queue in ("chat", "collection") and self.settings.auth_mode != "local" and self.settings.max_tickets > 1
        )
        return self.settings.max_tickets - 1 if is_shared else None

    def _issue_missing(self, queue: str) -> list[uuid.UUID]:
        with self.database.transaction(ALL_WORKSPACES) as tx:
            values = {
                "queue": queue,
                "max_outstanding": self.settings.max_tickets,
                "lifetime_s": self.settings.dispatch_deadline_s,
                "max_running": self.max_per_workspace(queue),
            }
            tx.execute(_LOCK, {"queue": queue})
            return list(tx.execute(_ISSUE_TICKETS, values).scalars())

    def _send(self, ticket: Ticket, due: datetime | None) -> None:
        from google.api_core import exceptions
        from google.api_core.retry import Retry, if_exception_type
        from google.auth.exceptions import GoogleAuthError, TransportError
        from requests.exceptions import RequestException

        transient = (exceptions.ServerError, exceptions.TooManyRequests, TransportError, RequestException)
        retry = Retry(predicate=if_exception_type(*transient), initial=0.2, maximum=2.0, timeout=self.send_timeout_s)
        with tracing.span(f"send {ticket.queue}", kind="producer"):
            try:
                request = self._request(ticket, due)
                with within(self.send_timeout_s):
                    self._client.create_task(request=request, retry=retry, timeout=self.send_timeout_s)
            except exceptions.Conflict:
                return  # an earlier attempt of this send has arrived, or this watchdog is scheduled already
            except (exceptions.GoogleAPIError, GoogleAuthError, RequestException) as error:
                message = f"Cloud Tasks rejected the ticket or can't be reached: {quote(error, 300)}"
                raise UpstreamError(message) from error

    def _request(self, ticket: Ticket, due: datetime | None) -> dict[str, Any]:
        settings = self.settings
        urls = {"chat": settings.chat_url, "collection": settings.collection_url, "embedding": settings.embedding_url}
        base = urls[ticket.queue].rstrip("/")
        if not base:
            raise UpstreamError(f"Tickets for {ticket.queue} can't be sent: {ticket.queue.upper()}_URL is not set.")
        parent = self._client.queue_path(settings.google_cloud_project, settings.cloud_region, ticket.queue)
        task: dict[str, Any] = {
            "name": f"{parent}/tasks/{ticket.id.hex}",
            "dispatch_deadline": timedelta(seconds=settings.dispatch_deadline_s),
            "http_request": {
                "url": f"{base}/tasks/drain",
                "headers": {"Content-Type": "application/json"},
                "body": msgspec.json.encode(ticket),
                "oidc_token": {"service_account_email": settings.invoker_service_account, "audience": base},
            },
        }
        if due:
            task["schedule_time"] = due
        if (traceparent := tracing.current_traceparent()) and not ticket.watch:
            task["http_request"]["headers"]["traceparent"] = traceparent
        return {"parent": parent, "task": task}

    @cached_property
    def _client(self) -> "CloudTasksClient":
        from google.cloud.tasks_v2 import CloudTasksClient

        with self._lock:
            made: CloudTasksClient | None = vars(self).get("_client")  # by another thread
            if made is None:
                made = with_deadlines(CloudTasksClient(**connection(self.settings, self.settings.tasks_endpoint)))
                vars(self)["_client"] = made
            return made


def watchdog_due(now: datetime, period_s: float) -> datetime:
    """Return the due time of a watchdog armed now: a multiple of half a period, half to one period from now.

    With a period of 30 s: 12:00:30 if armed at 12:00:01 or 12:00:14, 12:01:00 if armed at 12:00:30.
    """
    half_s = period_s / 2
    return datetime.fromtimestamp((now.timestamp() // half_s + 2) * half_s, UTC)


# Concurrent wakes issue one after another; otherwise each would issue what is missing. Not `try`: a wake must count the
# steps that were committed after the other one had counted.
_LOCK = sa.text("select pg_advisory_xact_lock(hashtext('headwater.tickets'), hashtext(:queue))")

# One ticket per running or due step, up to the maximum, minus those outstanding. A running step counts, since it holds
# the ticket that claimed it. Steps run by the job, or by a dead worker, have none, and none is issued for them: with no
# step due that may be claimed, each new ticket would find nothing and request the next.
_ISSUE_TICKETS = sa.text("""
    with open as (
      select count(*) as n from (
        select 1 from steps s join runs r on r.id = s.run_id
        where s.queue = :queue and r.engine = 'tickets'
          and (s.state = 'running' or s.state = 'ready' and s.not_before <= now())
        limit cast(:max_outstanding as integer)) due
    ), outstanding as (
      select count(*) as n from tickets where queue = :queue and expires_at > now()
    ), limited as (
      select workspace_id from steps where queue = :queue and state = 'running' and lease_until > now()
      group by workspace_id having count(*) >= cast(:max_running as integer)
    )
    insert into tickets (queue, expires_at)
    select :queue, now() + make_interval(secs => cast(:lifetime_s as double precision))
    from open, outstanding, generate_series(1, open.n - outstanding.n)
    where exists (
      select 1 from steps s join runs r on r.id = s.run_id
      where s.queue = :queue and r.engine = 'tickets' and s.state = 'ready' and s.not_before <= now()
        and s.workspace_id not in (select workspace_id from limited))
    returning id
""")

# A queue whose steps have been due for 5 s, with none running, has lost its tickets. Steps of the job need none.
_DELETE_TICKETS = sa.text("""
    delete from tickets t where expires_at < now() or (
      exists (select 1 from steps s join runs r on r.id = s.run_id
              where s.queue = t.queue and r.engine = 'tickets'
                and s.state = 'ready' and s.not_before < now() - interval '5 s')
      and not exists (select 1 from steps s where s.queue = t.queue and s.state = 'running'))
""")
