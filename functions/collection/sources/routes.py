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
            Route("GET", "/api/source-kinds", self.list_source_kinds, "List source kinds", returns=SourceKindList),
            Route("GET", "/api/sources", self.list_sources, "List sources", returns=SourceList),
            Route(
                "POST",
                "/api/sources",
                self.create_source,
                "Create a source",
                body=NewSource,
                returns=Source,
                status=201,
                access="editor",
            ),
            Route("GET", source, self.get_source, "Get a source", returns=Source),
            Route(
                "PATCH",
                source,
                self.update_source,
                "Update a source",
                body=SourceChanges,
                returns=Source,
                access="editor",
            ),
            Route("DELETE", source, self.delete_source, "Delete a source", status=204, access="editor"),
            Route(
                "POST",
                f"{source}/collect",
                self.collect_source,
                "Collect a source",
                query=CollectQuery,
                returns=StartedRun,
                status=202,
                access="editor",
            ),
            Route("GET", "/api/runs", self.list_runs, "List runs", query=RunQuery, returns=RunList),
            Route("GET", "/api/runs/<uuid:id>", self.get_run, "Get a run", returns=Run),
            Route(
                "GET",
                "/api/runs/<uuid:id>/items",
                self.list_run_items,
                "List a run's items",
                query=ItemQuery,
                returns=ItemList,
            ),
            Route(
                "POST",
                "/api/runs/<uuid:id>/retry",
                self.retry_run,
                "Retry a run's failed items",
                returns=StartedRun,
                status=202,
                access="editor",
            ),
            Route("POST", "/api/runs/<uuid:id>/cancel", self.cancel_run, "Cancel a run", returns=Run, access="editor"),
            Route(
                "GET",
                "/api/documents",
                self.list_documents,
                "List documents",
                query=DocumentQuery,
                returns=DocumentList,
            ),
            Route("GET", "/api/documents/<uuid:id>", self.get_document, "Get a document", returns=Document),
        ]

    def list_source_kinds(self, _: Call) -> SourceKindList:
        """List the installed kinds of source, each with the JSON schema of its config."""
        return SourceKindList(describe_kinds())

    def list_sources(self, call: Call) -> SourceList:
        """List the workspace's sources, oldest first, each with its last run."""
        with self.database.transaction(call.workspace_id) as tx:
            return SourceList(sources.read_sources(tx, call.workspace_id))

    def create_source(self, call: Call) -> Source:
        """Create a source. The connection is checked first: 422 says what is wrong with the config or the token.

        The token is encrypted and never returned. The source is collected by its schedule, or by `collectSource`.
        """
        new: NewSource = call.body
        sources.check_name(new.name)
        new = msgspec.structs.replace(new, config=find_kind(new.kind).normalise(new.config))
        self.opener.open(Credentials(uuid.uuid4(), new.kind, new.config, new.token, None)).check()
        with self.database.transaction(call.workspace_id) as tx:
            return sources.create_source(tx, call.workspace_id, new, self.settings)

    def get_source(self, call: Call) -> Source:
        """Get a source with its last run and the next times of its schedule."""
        with self.database.transaction(call.workspace_id) as tx:
            return sources.read_source(tx, call.workspace_id, call.path["id"])

    def update_source(self, call: Call) -> Source:
        """Change a source's name, config, token or schedule; pause or resume it. Omitted fields stay as they are.

        A new config or token is checked like that of a new source.
        """
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
        """Delete a source with its documents, runs and schedule. This can't be undone."""
        with self.database.transaction(call.workspace_id) as tx:
            self.opener.delete_staged_after_commit(tx, call.path["id"])
            sources.delete_source(tx, call.workspace_id, call.path["id"])

    def collect_source(self, call: Call) -> StartedRun:
        """Start a run that collects the source, or return its open run.

        With `dry_run`, only list the source and report the changes as the run's items.
        """
        query: CollectQuery = call.args
        with self.database.transaction(call.workspace_id) as tx:
            sources.check_source(tx, call.workspace_id, call.path["id"])
        with self.tickets.opening_run(call.workspace_id) as tx:
            run_id, _ = runs.start_run(tx, call.workspace_id, call.path["id"], "api", dry_run=query.dry_run)
            runs.check_kind(tx, run_id, ["dry_run" if query.dry_run else "collect"])
        return StartedRun(run_id)

    def list_runs(self, call: Call) -> RunList:
        """List runs, newest first, of one source or of all."""
        query: RunQuery = call.args
        with self.database.transaction(call.workspace_id) as tx:
            return RunList(runs.read_runs(tx, call.workspace_id, query.source_id, query.limit))

    def get_run(self, call: Call) -> Reply:
        """Get a run with its progress, failures and warnings.

        To follow a run, poll with `If-None-Match`: 304 means that nothing has changed.
        """
        with self.database.transaction(call.workspace_id) as tx:
            version = runs.read_version(tx, call.path["id"])
            if call.has_version(version):
                return Reply(status=304, etag=version)
            return Reply(runs.read_run(tx, call.path["id"]), etag=version)

    def list_run_items(self, call: Call) -> ItemList:
        """List what a run does to single documents, by key: `added`, `changed`, `removed` or `skipped`."""
        with self.database.transaction(call.workspace_id) as tx:
            runs.read_summary(tx, call.path["id"])
            return items.read_items(tx, call.path["id"], call.args)

    def retry_run(self, call: Call) -> StartedRun:
        """Start a run that retries the failed items of an ended run, from the same snapshot."""
        with self.database.transaction(call.workspace_id) as tx:
            runs.read_summary(tx, call.path["id"])
        with self.tickets.opening_run(call.workspace_id) as tx:
            run_id = retry_failed.retry_run(tx, call.workspace_id, call.path["id"], self.settings)
            after_commit(tx, partial(self.start_job, run_id))
        return StartedRun(run_id)

    def cancel_run(self, call: Call) -> Run:
        """Cancel a run. Documents that it has stored stay."""
        with self.database.transaction(call.workspace_id) as tx:
            cancelled = runs.cancel_run(tx, call.path["id"])
            self.opener.delete_staged_after_commit(tx, cancelled.source_id)
            return cancelled

    def list_documents(self, call: Call) -> DocumentList:
        """List documents by key, without their text. With `deleted`, list removed documents that can be restored."""
        query: DocumentQuery = call.args
        with self.database.transaction(call.workspace_id) as tx:
            return documents.read_documents(tx, call.workspace_id, query)

    def get_document(self, call: Call) -> Reply:
        """Get a document with its text."""
        with self.database.transaction(call.workspace_id) as tx:
            document = documents.read_document(tx, call.workspace_id, call.path["id"])
        return Reply(document, headers=_KEPT_FOR_A_MINUTE)


_KEPT_FOR_A_MINUTE = {"Cache-Control": "private, max-age=60", "Vary": "Authorization, X-Workspace"}
"""By the caller's browser and the Worker; never for another caller, or for the same one in another workspace."""
