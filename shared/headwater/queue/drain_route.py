"""The route `POST /tasks/drain`, which Cloud Tasks calls with a ticket: run due steps of its queue.

Answers 2xx after claiming a step or finding none, and 503 if the database is unreachable or read-only. Failed steps are
retried by the ledger, so they are no failure of the task.
"""

import time
from collections.abc import Callable

from headwater.errors import UnprocessableContent
from headwater.queue.tickets import Ticket, Tickets
from headwater.queue.worker import Worker
from headwater.web.app import Call, Reply, Route


def drain_route(worker: Worker, tickets: Tickets, queue: str, watch: Callable[[], None] | None = None) -> Route:
    """Build the route that drains `queue`; `watch` runs when the ticket is the watchdog, by default `tickets.watch`."""
    watch = watch or tickets.watch

    def drain(call: Call) -> Reply:
        ticket: Ticket = call.body
        if ticket.queue != queue:
            raise UnprocessableContent(f"This function serves {queue!r}, but the ticket is for {ticket.queue!r}.")
        if ticket.watch:
            watch()
        until = time.monotonic() + worker.settings.worker_budget_s
        ran = worker.drain(queue, stop=lambda: time.monotonic() > until)
        tickets.acknowledge(ticket)
        return Reply({"steps": ran})

    return Route("POST", "/tasks/drain", drain, "Drain a queue", body=Ticket, access="google", is_long=True)
