"""Routes of runs: list, read, retry and cancel them, list their items."""

import uuid
from collections.abc import Callable

from sqlalchemy.engine import Connection

from functions.collection.runs import end, items, read
from functions.collection.runs.items import ItemList, ItemQuery
from functions.collection.runs.read import Run, RunList, RunQuery
from functions.collection.runs.start import StartedRun
from headwater.database.transactions import Database
from headwater.queue.tickets import Tickets
from headwater.web.app import Call, Reply, Route


class RunRoutes:
    """The routes' handlers.

    `retry_run(tx, workspace_id, run_id)` opens a run that retries the failures of another and returns its id.
    `delete_staged(tx, source_id)` deletes a source's staged files after the commit. Both are passed in since they
    belong to rooms that import this one.
    """

    def __init__(
        self,
        database: Database,
        tickets: Tickets,
        retry_run: Callable[[Connection, uuid.UUID, uuid.UUID], uuid.UUID],
        delete_staged: Callable[[Connection, uuid.UUID], None],
    ) -> None:
        self.database = database
        self.tickets = tickets
        self.retry = retry_run
        self.delete_staged = delete_staged

    def routes(self) -> list[Route]:
        """Return the routes."""
        run = "/api/runs/<uuid:id>"
        return [
            Route("GET", "/api/runs", self.list_runs, "List runs", query=RunQuery, returns=RunList),
            Route("GET", run, self.get_run, "Get a run", returns=Run),
            Route("GET", f"{run}/items", self.list_run_items, "List a run's items", query=ItemQuery, returns=ItemList),
            Route(
                "POST",
                f"{run}/retry",
                self.retry_run,
                "Retry a run's failed items",
                returns=StartedRun,
                status=202,
                access="editor",
            ),
            Route("POST", f"{run}/cancel", self.cancel_run, "Cancel a run", returns=Run, access="editor"),
        ]

    def list_runs(self, call: Call) -> RunList:
        """List runs, newest first, of one source or of all."""
        query: RunQuery = call.args
        with self.database.transaction(call.workspace_id) as tx:
            return RunList(read.read_runs(tx, call.workspace_id, query.source_id, query.limit))

    def get_run(self, call: Call) -> Reply:
        """Get a run with its progress, failures and warnings.

        To follow a run, poll with `If-None-Match`: 304 means that nothing has changed.
        """
        with self.database.transaction(call.workspace_id) as tx:
            version = read.read_version(tx, call.path["id"])
            if call.has_version(version):
                return Reply(status=304, etag=version)
            return Reply(read.read_run(tx, call.path["id"]), etag=version)

    def list_run_items(self, call: Call) -> ItemList:
        """List a run's changes of single documents, by key.

        They are `added`, `changed`, `moved`, `removed`, `skipped`, or `unchanged` since they failed in an earlier run.
        """
        with self.database.transaction(call.workspace_id) as tx:
            read.read_summary(tx, call.path["id"])
            return items.read_items(tx, call.path["id"], call.args)

    def retry_run(self, call: Call) -> StartedRun:
        """Start a run that retries the failed items of an ended run, from the same snapshot."""
        with self.database.transaction(call.workspace_id) as tx:
            read.read_summary(tx, call.path["id"])
        with self.tickets.opening_run(call.workspace_id) as tx:
            return StartedRun(self.retry(tx, call.workspace_id, call.path["id"]))

    def cancel_run(self, call: Call) -> Run:
        """Cancel a run. Documents that it has stored stay. A run that was queued behind it starts."""
        with self.database.transaction(call.workspace_id) as tx:
            cancelled = end.cancel_run(tx, call.path["id"])
            self.delete_staged(tx, cancelled.source_id)
        self.tickets.wake(["collection"])  # for a run that was queued behind this one
        return cancelled
