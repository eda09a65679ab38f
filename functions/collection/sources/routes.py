"""The collection function's routes: sources, runs, documents; more are in `people` and `curation`."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import msgspec

from functions.collection.accounts.routes import AccountRoutes
from functions.collection.connectors.registry import describe_kinds, find_kind
from functions.collection.documents import documents
from functions.collection.documents.documents import Document, DocumentList, DocumentQuery
from functions.collection.documents.routes import DocumentRoutes
from functions.collection.pipeline import retry_failed
from functions.collection.runs import items, runs
from functions.collection.runs.items import ItemList, ItemQuery
from functions.collection.runs.runs import Run, RunList, RunQuery, StartedRun
from functions.collection.sources import sources
from functions.collection.sources.connect import SourceOpener
from functions.collection.sources.sources import Credentials, NewSource, Source, SourceChanges, SourceList
from headwater.config import Settings
from headwater.connectors import SourceKind
from headwater.database.transactions import Database, after_commit
from headwater.queue.tickets import Tickets
from headwater.web.app import Call, Reply, Route


class CollectQuery(msgspec.Struct, frozen=True):
    """How a source is to be collected; a dry run lists it, tells the difference as its items, and touches nothing."""

    dry_run: bool = False


class SourceKindList(msgspec.Struct, frozen=True):
    """Every kind of source that can be added."""

    kinds: list[SourceKind]


class Collection:
    """What the routes do, with what they need; `start_job` has the Cloud Run job work on a run that is large."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        tickets: Tickets,
        opener: SourceOpener,
        start_job: Callable[[uuid.UUID], None],
    ) -> None:
        self.database = database
        self.settings = settings
        self.tickets = tickets
        self.opener = opener
        self.start_job = start_job

    def routes(self) -> list[Route]:
        """Return every route that people and programs call."""
        source = "/api/sources/<uuid:id>"
        return [
            *AccountRoutes(self.database).routes(),
            *DocumentRoutes(self.database, self.settings, self.tickets).routes(),
            Route(
                "GET",
                "/api/source-kinds",
                self.list_source_kinds,
                "List the kinds of source that can be added",
                returns=SourceKindList,
            ),
            Route("GET", "/api/sources", self.list_sources, "List the sources", returns=SourceList),
            Route(
                "POST",
                "/api/sources",
                self.create_source,
                "Add a source",
                body=NewSource,
                returns=Source,
                status=201,
                access="editor",
            ),
            Route("GET", source, self.read_source, "Read a source", returns=Source),
            Route(
                "PATCH",
                source,
                self.change_source,
                "Change a source's name, schedule, config or token, pause or resume it",
                body=SourceChanges,
                returns=Source,
                access="editor",
            ),
            Route(
                "DELETE", source, self.delete_source, "Delete a source and its documents", status=204, access="editor"
            ),
            Route(
                "POST",
                f"{source}/collect",
                self.collect,
                "Collect a source now",
                query=CollectQuery,
                returns=StartedRun,
                status=202,
                access="editor",
            ),
            Route("GET", "/api/runs", self.list_runs, "List runs, the newest first", query=RunQuery, returns=RunList),
            Route("GET", "/api/runs/<uuid:id>", self.read_run, "Read a run", returns=Run),
            Route(
                "GET",
                "/api/runs/<uuid:id>/items",
                self.list_items,
                "List what a run does to single documents",
                query=ItemQuery,
                returns=ItemList,
            ),
            Route(
                "POST",
                "/api/runs/<uuid:id>/retry",
                self.retry_run,
                "Try again what failed in a run",
                returns=StartedRun,
                status=202,
                access="editor",
            ),
            Route("POST", "/api/runs/<uuid:id>/cancel", self.cancel_run, "Cancel a run", returns=Run, access="editor"),
            Route(
                "GET",
                "/api/documents",
                self.list_documents,
                "List documents by key",
                query=DocumentQuery,
                returns=DocumentList,
            ),
            Route("GET", "/api/documents/<uuid:id>", self.read_document, "Read a document", returns=Document),
        ]

    def list_source_kinds(self, _: Call) -> SourceKindList:
        return SourceKindList(describe_kinds())

    def list_sources(self, call: Call) -> SourceList:
        with self.database.transaction(call.workspace_id) as tx:
            return SourceList(sources.read_sources(tx, call.workspace_id))

    def create_source(self, call: Call) -> Source:
        """Check the config, probe the source, store it."""
        new: NewSource = call.body
        sources.check_name(new.name)
        new = msgspec.structs.replace(new, config=find_kind(new.kind).normalise(new.config))
        self.opener.open(Credentials(uuid.uuid4(), new.kind, new.config, new.token, None)).check()
        with self.database.transaction(call.workspace_id) as tx:
            return sources.create_source(tx, call.workspace_id, new, self.settings)

    def read_source(self, call: Call) -> Source:
        with self.database.transaction(call.workspace_id) as tx:
            return sources.read_source(tx, call.workspace_id, call.path["id"])

    def change_source(self, call: Call) -> Source:
        """Check that the source can be reached with a new config or token, then store the changes."""
        changes: SourceChanges = call.body
        if changes.config is not msgspec.UNSET or changes.token is not msgspec.UNSET:
            changes = self._check_changes(call, changes)
        with self.database.transaction(call.workspace_id) as tx:
            return sources.change_source(tx, call.workspace_id, call.path["id"], changes, self.settings)

    def _check_changes(self, call: Call, changes: SourceChanges) -> SourceChanges:
        """Try to reach a source with its new config and token; returns the changes with the config normalised."""
        with self.database.transaction(call.workspace_id) as tx:
            source = sources.read_source_credentials(tx, call.workspace_id, call.path["id"], changes, self.settings)
        if changes.config is not msgspec.UNSET:
            source = replace(source, config=sources.normalise_config(source, changes.config))
            changes = msgspec.structs.replace(changes, config=source.config)
        self.opener.open(source).check()
        return changes

    def delete_source(self, call: Call) -> None:
        with self.database.transaction(call.workspace_id) as tx:
            self.opener.delete_staged_after_commit(tx, call.path["id"])
            sources.delete_source(tx, call.workspace_id, call.path["id"])

    def collect(self, call: Call) -> StartedRun:
        query: CollectQuery = call.args
        with self.database.transaction(call.workspace_id) as tx:
            sources.check_source(tx, call.workspace_id, call.path["id"])
        with self.tickets.opening_run(call.workspace_id) as tx:
            run_id, _ = runs.start_run(tx, call.workspace_id, call.path["id"], "api", dry_run=query.dry_run)
            runs.check_kind(tx, run_id, ["dry_run" if query.dry_run else "collect"])
        return StartedRun(run_id)

    def list_runs(self, call: Call) -> RunList:
        query: RunQuery = call.args
        with self.database.transaction(call.workspace_id) as tx:
            return RunList(runs.read_runs(tx, call.workspace_id, query.source_id, query.limit))

    def read_run(self, call: Call) -> Reply:
        """Read a run; whoever has it as it is, as those who poll mostly do, is told so without its being read."""
        with self.database.transaction(call.workspace_id) as tx:
            version = runs.read_version(tx, call.path["id"])
            if call.has_version(version):
                return Reply(status=304, etag=version)
            return Reply(runs.read_run(tx, call.path["id"]), etag=version)

    def list_items(self, call: Call) -> ItemList:
        with self.database.transaction(call.workspace_id) as tx:
            runs.read_summary(tx, call.path["id"])
            return items.read_items(tx, call.path["id"], call.args)

    def retry_run(self, call: Call) -> StartedRun:
        with self.database.transaction(call.workspace_id) as tx:
            runs.read_summary(tx, call.path["id"])
        with self.tickets.opening_run(call.workspace_id) as tx:
            run_id = retry_failed.retry_run(tx, call.workspace_id, call.path["id"], self.settings)
            after_commit(tx, partial(self.start_job, run_id))
        return StartedRun(run_id)

    def cancel_run(self, call: Call) -> Run:
        with self.database.transaction(call.workspace_id) as tx:
            cancelled = runs.cancel_run(tx, call.path["id"])
            self.opener.delete_staged_after_commit(tx, cancelled.source_id)
            return cancelled

    def list_documents(self, call: Call) -> DocumentList:
        query: DocumentQuery = call.args
        with self.database.transaction(call.workspace_id) as tx:
            return documents.read_documents(tx, call.workspace_id, query)

    def read_document(self, call: Call) -> Reply:
        """Read a document; whoever opens several citations of it within a minute is answered by the Worker."""
        with self.database.transaction(call.workspace_id) as tx:
            document = documents.read_document(tx, call.workspace_id, call.path["id"])
        return Reply(document, headers=_KEPT_FOR_A_MINUTE)


_KEPT_FOR_A_MINUTE = {"Cache-Control": "private, max-age=60", "Vary": "Authorization, X-Workspace"}
"""By the caller's browser and the Worker; never for another caller, or for the same one in another workspace."""
