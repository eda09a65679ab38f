"""Tickets: due steps flow in, Cloud Tasks tasks flow out that wake whoever drains their queue.

A ticket is not an address: it says only "drain this queue". It may be lost, doubled or late; the ledger decides what is
done. A bounded number is outstanding for each queue, counted in the table `tickets`. The watchdog is a delayed ticket
that is sent again while any run is open; it heals whatever a crash left behind. However many open work, two watchdogs
at most are on their way: they come at fixed times, and each time is a task's name, which Cloud Tasks takes once.
"""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater import logs
from headwater.config import Settings
from headwater.database.transactions import ALL_WORKSPACES, Database
from headwater.errors import UpstreamError
from headwater.queue import ledger

if TYPE_CHECKING:
    from google.cloud.tasks_v2 import CloudTasksClient

QUEUES = ("collection", "embedding")

_WATCHDOGS = uuid.UUID("5b9f3c0e-6f0c-4c0b-9d7e-3f6a3f1c7a11")
"""The namespace of the watchdogs' ids."""


class Ticket(msgspec.Struct, frozen=True):
    """The body of `POST /tasks/drain`."""

    queue: str
    id: uuid.UUID
    watch: bool = False


class Tickets:
    """Send tickets through the stock Cloud Tasks client."""

    send_timeout_s = 15.0
    """How long a send is tried again: as long as a queue service takes to come back from a restart."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database = database
        self.settings = settings
        self._watchdog_due = datetime.min.replace(tzinfo=UTC)

    def wake(self, queues: Sequence[str], delay_s: float = 0.0) -> None:
        """Send what is missing so that due steps of these queues are drained.

        Called after a commit, which nothing can take back: a ticket that can't be sent is logged, and the watchdog
        sends it. Whoever sends tickets sees to it that there is one: the watchdog that was armed before the commit has
        come too early if the process was frozen in between.
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
        """Give a transaction that opens a run, and wake the queue after its commit.

        The watchdog is armed first, so that nothing opened is ever forgotten. Raises UpstreamError when Cloud Tasks
        can't be reached; then nothing has been opened.
        """
        self.arm_watchdog()
        with self.database.transaction(workspace_id) as tx:
            yield tx
        self.wake(["collection"])

    def arm_watchdog(self) -> None:
        """Send the delayed ticket that looks after open work, unless one for the same time is on its way.

        Call it before the commit that opens work: a crash right after that commit is then healed too. Raises
        UpstreamError when Cloud Tasks can't be reached.
        """
        due = watchdog_due(datetime.now(UTC), self.settings.watchdog_s)
        self._send(Ticket("collection", uuid.uuid5(_WATCHDOGS, due.isoformat()), watch=True), due)
        self._watchdog_due = due

    def watch(self) -> None:
        """Heal: take back overdue leases, add missing fan-ins, forget lost tickets, send missing ones, and watch on."""
        with self.database.transaction(ALL_WORKSPACES) as tx:
            taken_back = ledger.take_back(tx)
            ledger.fan_in(tx)
            is_open = ledger.has_open_runs(tx)
            lost = tx.execute(_DELETE_TICKETS).rowcount
        if taken_back or lost:
            logs.event("watchdog", taken_back=taken_back, lost_tickets=lost)
        if is_open:
            self.arm_watchdog()
            self.wake(QUEUES)

    def acknowledge(self, ticket: Ticket) -> None:
        """Forget a ticket that has been served, and send another if due steps are left."""
        with self.database.transaction(ALL_WORKSPACES) as tx:
            tx.execute(sa.text("delete from tickets where id = :id"), {"id": ticket.id})
        self.wake([ticket.queue])

    def _issue_missing(self, queue: str) -> list[uuid.UUID]:
        with self.database.transaction(ALL_WORKSPACES) as tx:
            values = {
                "queue": queue,
                "max_outstanding": self.settings.max_tickets,
                "lifetime_s": self.settings.dispatch_deadline_s,
            }
            return list(tx.execute(_ISSUE_TICKETS, values).scalars())

    def _send(self, ticket: Ticket, due: datetime | None) -> None:
        from google.api_core import exceptions
        from google.api_core.retry import Retry, if_exception_type
        from google.auth.exceptions import GoogleAuthError, TransportError
        from requests.exceptions import RequestException

        passing = (exceptions.ServerError, exceptions.TooManyRequests, TransportError, RequestException)
        retry = Retry(predicate=if_exception_type(*passing), initial=0.2, maximum=2.0, timeout=self.send_timeout_s)
        try:
            self._client.create_task(request=self._request(ticket, due), retry=retry, timeout=self.send_timeout_s)
        except exceptions.Conflict:
            return  # an earlier try of this very send has arrived, or this watchdog is on its way
        except (exceptions.GoogleAPIError, GoogleAuthError, RequestException) as error:
            raise UpstreamError(f"Cloud Tasks doesn't take the ticket: {str(error)[:300]}") from error

    def _request(self, ticket: Ticket, due: datetime | None) -> dict[str, Any]:
        settings = self.settings
        base = {"collection": settings.collection_url, "embedding": settings.embedding_url}[ticket.queue].rstrip("/")
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
        return {"parent": parent, "task": task}

    @cached_property
    def _client(self) -> "CloudTasksClient":
        from google.cloud.tasks_v2 import CloudTasksClient

        if not self.settings.tasks_endpoint:
            return CloudTasksClient()
        from google.api_core.client_options import ClientOptions
        from google.auth.credentials import AnonymousCredentials

        return CloudTasksClient(
            transport="rest",
            credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
            client_options=ClientOptions(api_endpoint=self.settings.tasks_endpoint),
        )


def watchdog_due(now: datetime, period_s: float) -> datetime:
    """Return when a watchdog that is armed now comes: at a multiple of half a period, half to a whole one away.

    With a period of 30 s: armed at 12:00:01 or 12:00:14 at 12:00:30, armed then at 12:01:00.
    """
    half_s = period_s / 2
    return datetime.fromtimestamp((now.timestamp() // half_s + 2) * half_s, UTC)


# A running step has the ticket that it was claimed by. One that a job works on, or whose worker has died, has none, and
# none is sent for it: with no step due, each would find nothing and call for the next.
_ISSUE_TICKETS = sa.text("""
    with open as (
      select count(*) as n from (
        select 1 from steps s join runs r on r.id = s.run_id
        where s.queue = :queue and r.engine = 'tickets'
          and (s.state = 'running' or s.state = 'ready' and s.not_before <= now()) limit cast(:max_outstanding as integer)) due
    ), outstanding as (
      select count(*) as n from tickets where queue = :queue and expires_at > now()
    )
    insert into tickets (queue, expires_at)
    select :queue, now() + make_interval(secs => cast(:lifetime_s as double precision))
    from open, outstanding, generate_series(1, open.n - outstanding.n)
    where exists (
      select 1 from steps s join runs r on r.id = s.run_id
      where s.queue = :queue and r.engine = 'tickets' and s.state = 'ready' and s.not_before <= now())
    returning id
""")

# A queue with due steps of which none is being worked on has lost its tickets. What a job works on has none.
_DELETE_TICKETS = sa.text("""
    delete from tickets t where expires_at < now() or (
      exists (select 1 from steps s join runs r on r.id = s.run_id
              where s.queue = t.queue and r.engine = 'tickets'
                and s.state = 'ready' and s.not_before < now() - interval '5 s')
      and not exists (select 1 from steps s where s.queue = t.queue and s.state = 'running'))
""")
