"""The route `POST /tasks/drain`, which Cloud Tasks calls with a ticket: run due steps of its queue.

Answers 2xx after claiming a step or finding none, and 503 if the database is unreachable or read-only. Failed steps are
retried by the ledger, so they are no failure of the task.
"""

import time
import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from headwater.errors import UnprocessableContent
from headwater.queue.tickets import Ticket, Tickets
from headwater.web.app import Call, Reply, Route
from headwater.web.once import once
from headwater.web.shutdown import Lifetime

if TYPE_CHECKING:
    from headwater.queue.worker import Handler, Worker


def drain_route(
    tickets: Tickets,
    queue: str,
    lifetime: Lifetime,
    make_handlers: "Callable[[], Mapping[str, Handler]]",
    watch: Callable[[], None] | None = None,
) -> Route:
    """Build the route that drains `queue`; `watch` runs when the ticket is the watchdog, by default `tickets.watch`.

    The first ticket makes the handlers, so that they can be imported then: no other request needs them.
    """
    watch = watch or tickets.watch

    @once
    def get_worker() -> "Worker":
        from headwater.queue.worker import Worker

        return Worker(
            tickets.database,
            tickets.settings,
            make_handlers(),
            waker=tickets,
            holder=f"{tickets.settings.k_service}/{uuid.uuid4().hex[:8]}",
            lifetime=lifetime,
            max_per_workspace=tickets.max_per_workspace(queue),
        )

    def drain(call: Call) -> Reply:
        ticket: Ticket = call.body
        if ticket.queue != queue:
            raise UnprocessableContent(f"This function serves {queue!r}, but the ticket is for {ticket.queue!r}.")
        if ticket.watch:
            watch()
        worker = get_worker()
        until = time.monotonic() + worker.settings.worker_budget_s
        ran = worker.drain(queue, stop=lambda: time.monotonic() > until)
        tickets.acknowledge(ticket)
        return Reply({"steps": ran})

    return Route("POST", "/tasks/drain", drain, "Drain a queue", body=Ticket, access="google", is_long=True)
