"""`POST /tasks/drain`: a ticket flows in, its queue's due steps are run, and the ticket is forgotten.

Answers 2xx once it has claimed something or found nothing; 503 only when the database can't be reached or takes
nothing. Trying a step again is the ledger's business alone, so the functions never answer Cloud Tasks with a step's
failure.
"""

import time
from collections.abc import Callable

from headwater.errors import UnprocessableContent
from headwater.queue.tickets import Ticket, Tickets
from headwater.queue.worker import Worker
from headwater.web.app import Call, Reply, Route


def drain_route(worker: Worker, tickets: Tickets, queue: str, watch: Callable[[], None] | None = None) -> Route:
    """Make the route by which Cloud Tasks wakes a function that drains `queue`; `watch` is what its watchdog does."""
    watch = watch or tickets.watch

    def drain(call: Call) -> Reply:
        ticket: Ticket = call.body
        if ticket.queue != queue:
            raise UnprocessableContent(f"This function drains {queue!r}, the ticket is for {ticket.queue!r}.")
        if ticket.watch:
            watch()
        until = time.monotonic() + worker.settings.worker_budget_s
        ran = worker.drain(queue, stop=lambda: time.monotonic() > until)
        tickets.acknowledge(ticket)
        return Reply({"steps": ran})

    return Route("POST", "/tasks/drain", drain, "Drain a queue", body=Ticket, access="google")
