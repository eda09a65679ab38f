"""Routes of sources: list, create, read, change and delete them, start a run."""

import datetime as dt
import uuid
from dataclasses import replace

import msgspec
from sqlalchemy.engine import Connection

from functions.collection.connectors.registry import (
    UnavailableKind,
    built_in_kinds,
    describe_kinds,
    kind_for_new_source,
    kind_of_source,
)
from functions.collection.names import check_name
from functions.collection.runs import start
from functions.collection.runs.start import StartedRun
from functions.collection.sources import sources
from functions.collection.sources.check import SourceChecks
from functions.collection.sources.connect import SourceOpener
from functions.collection.sources.credentials import Credentials
from functions.collection.sources.sources import NewSource, Source, SourceChanges, SourceList
from functions.collection.sources.tokens import normalise_token
from headwater.auth import audit_log
from headwater.config import Settings
from headwater.connectors import Period, SourceKind
from headwater.database.transactions import Database
from headwater.errors import UnprocessableContent
from headwater.queue.tickets import Tickets
from headwater.web.app import Call, Route


class CollectQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of a run.

    A dry run lists what a collect would change as its items, and changes nothing. With `everything`, all documents are
    fetched again, also those that have not changed. With `since` or `until`, only documents of these days (in UTC, both
    included) are listed, and none is removed; only for kinds of source that have dates.
    """

    dry_run: bool = False
    everything: bool = False
    since: dt.date | None = None
    until: dt.date | None = None

    @property
    def period(self) -> Period | None:
        """The days to list; None for all."""
        return Period(self.since, self.until) if self.since or self.until else None


class SourceKindList(msgspec.Struct, frozen=True):
    """All kinds of source that can be created, and the installed ones that cannot be used."""

    kinds: list[SourceKind]
    unavailable: list[UnavailableKind]


class SourceRoutes:
    """The routes' handlers."""

    def __init__(self, database: Database, settings: Settings, tickets: Tickets, opener: SourceOpener) -> None:
        self.database = database
        self.settings = settings
        self.tickets = tickets
        self.opener = opener
        self.checks = SourceChecks(opener)

    def routes(self) -> list[Route]:
        """Return the routes."""
        source = "/api/sources/<uuid:id>"
        return [
            Route(
                "GET",
                "/api/source-kinds",
                self.list_source_kinds,
                "List source kinds",
                returns=SourceKindList,
            ),
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
        ]

    def list_source_kinds(self, _: Call) -> SourceKindList:
        """List the installed kinds of source, each with the JSON schema of its config."""
        return SourceKindList(*describe_kinds())

    def list_sources(self, call: Call) -> SourceList:
        """List the workspace's sources, oldest first, each with its last run."""
        with self.database.transaction(call.workspace_id) as tx:
            return SourceList(sources.read_sources(tx, call.workspace_id))

    def create_source(self, call: Call) -> Source:
        """Create a source. The connection is checked first: 422 says what is wrong with the config or the token.

        A workspace checks one source at a time: 429 while another check runs, which takes 10 seconds at most.
        The token is encrypted and never returned. The source is collected by its schedule, or by `collectSource`.
        """
        new: NewSource = call.body
        check_name(new.name)
        config = kind_for_new_source(new.kind).normalise(new.config)
        new = msgspec.structs.replace(new, config=config, token=_normalise_token(new.token, new.kind))
        credentials = Credentials(uuid.uuid4(), new.kind, new.config, new.token, None)
        self.checks.check(call.workspace_id, credentials, call.is_wanted)
        with self.database.transaction(call.workspace_id) as tx:
            source = sources.create_source(tx, call.workspace_id, new, self.settings)
            audit_log.record(tx, call.caller, "source.created", source.id, name=source.name, kind=source.kind)
        return source

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
            source = sources.change_source(tx, call.workspace_id, call.path["id"], changes, settings=self.settings)
            _record_change(tx, call, source, changes)
        if changes.token is not msgspec.UNSET and source.last_run and source.last_run.state == "running":
            self.tickets.wake(["collection"])
        return source

    def _check_changes(self, call: Call, changes: SourceChanges) -> SourceChanges:
        """Connect to a source with its new config and token. Returns the changes with the config normalised."""
        with self.database.transaction(call.workspace_id) as tx:
            source = sources.read_source_credentials(
                tx, call.workspace_id, call.path["id"], changes, settings=self.settings
            )
        if changes.token is not msgspec.UNSET:
            changes = msgspec.structs.replace(changes, token=_normalise_token(changes.token, source.kind))
            source = replace(source, token=changes.token or None)
        if changes.config is not msgspec.UNSET:
            source = replace(source, config=sources.normalise_config(source, changes.config))
            changes = msgspec.structs.replace(changes, config=source.config)
        self.checks.check(call.workspace_id, source, call.is_wanted)
        return changes

    def delete_source(self, call: Call) -> None:
        """Delete a source with its documents, runs and schedule. This can't be undone."""
        with self.database.transaction(call.workspace_id) as tx:
            self.opener.delete_all_after_commit(tx, call.path["id"])
            name = sources.delete_source(tx, call.workspace_id, call.path["id"])
            audit_log.record(tx, call.caller, "source.deleted", call.path["id"], name=name)

    def collect_source(self, call: Call) -> StartedRun:
        """Start a run that collects the source, or return its open run.

        With `dry_run`, only list the source and report the changes as the run's items. A backfill, with `everything`,
        `since` or `until`, gets 409 while a run is open.
        """
        query: CollectQuery = call.args
        with self.database.transaction(call.workspace_id) as tx:
            kind = sources.check_source(tx, call.workspace_id, call.path["id"])
        start.check_period(kind, query.period)
        with self.tickets.opening_run(call.workspace_id) as tx:
            run_id, is_new = start.start_run(
                tx,
                call.workspace_id,
                call.path["id"],
                "api",
                dry_run=query.dry_run,
                everything=query.everything,
                period=query.period,
            )
            start.check_kind(tx, run_id, ["dry_run" if query.dry_run else "collect"])
            if (query.everything or query.period) and not is_new:
                raise start.open_run_conflict(run_id, "collect")
        return StartedRun(run_id)


def _normalise_token(token: str | None, kind: str) -> str | None:
    """Check a new token. Those of extensions may have any number of lines."""
    if token and kind_of_source(kind).describe().secret is None:
        raise UnprocessableContent(f"token: sources of the kind {kind!r} have none. Leave the field out.")
    return normalise_token(token, has_lines=kind not in built_in_kinds())


def _record_change(tx: Connection, call: Call, source: Source, changes: SourceChanges) -> None:
    """Record in the audit log which fields a caller has changed; a new token or its removal is an entry of its own."""
    fields = [name for name, value in msgspec.structs.asdict(changes).items() if value is not msgspec.UNSET]
    if changes.token is not msgspec.UNSET:
        is_removed = not changes.token
        audit_log.record(tx, call.caller, "source.token_changed", source.id, name=source.name, removed=is_removed)
        fields.remove("token")
    if fields:
        audit_log.record(tx, call.caller, "source.changed", source.id, name=source.name, fields=fields)
