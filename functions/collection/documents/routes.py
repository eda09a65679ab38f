"""Routes of documents: list, read, upload, place, restore and delete them, decide about pending removals."""

from functools import partial

from functions.collection.documents import documents, facets, placement, removals, restore, upload
from functions.collection.documents.documents import Document, DocumentList, DocumentQuery, read_document_ref
from functions.collection.documents.facets import FacetQuery, Facets
from functions.collection.documents.parser_pool import parser_pool
from functions.collection.documents.placement import DocumentChanges
from functions.collection.documents.removals import KeptDocuments, RemovalDecision, RemovalList, RemovalQuery
from functions.collection.documents.upload import AddedDocument, NewDocument
from functions.collection.runs.start import StartedRun
from functions.collection.sources.sources import check_source
from headwater.config import Settings
from headwater.database.transactions import Database
from headwater.filters.sql import SETTINGS
from headwater.queue.tickets import Tickets
from headwater.web.app import Call, Reply, Route
from headwater.web.limits import MAX_BODY_BYTES, MAX_UPLOAD_BYTES

_JSON_EXPANSION = 3
"""Maximum bytes of JSON per byte of UTF-8 text: the two bytes of ü become the six of `\\u00fc`."""

_WAIT_S = 5.0
"""How long an upload waits for a process that parses it."""

_CACHE_FOR_A_MINUTE = {"Cache-Control": "private, max-age=60", "Vary": "Authorization, X-Workspace"}
"""For the browser's cache and the Worker's, per caller and workspace."""


class DocumentRoutes:
    """The routes' handlers."""

    def __init__(self, database: Database, settings: Settings, tickets: Tickets) -> None:
        self.database = database
        self.settings = settings
        self.tickets = tickets
        self.parsers = parser_pool(settings)

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [*self._document_routes(), *self._removal_routes()]

    def _document_routes(self) -> list[Route]:
        document = "/api/documents/<uuid:id>"
        return [
            Route(
                "GET",
                "/api/documents",
                self.list_documents,
                "List documents",
                query=DocumentQuery,
                returns=DocumentList,
            ),
            Route(
                "GET",
                "/api/documents/facets",
                self.count_documents,
                "Count documents by their fields",
                query=FacetQuery,
                returns=Facets,
            ),
            Route("GET", document, self.get_document, "Get a document", returns=Document),
            Route(
                "PUT",
                "/api/sources/<uuid:id>/documents",
                self.upload_document,
                "Upload a document",
                body=NewDocument,
                returns=AddedDocument,
                status=202,
                access="editor",
                max_body_bytes=min(_JSON_EXPANSION * self.settings.max_file_bytes + MAX_BODY_BYTES, MAX_UPLOAD_BYTES),
            ),
            Route(
                "POST",
                f"{document}/restore",
                self.restore_document,
                "Restore a document",
                returns=Document,
                access="editor",
            ),
            Route(
                "PATCH",
                document,
                self.place_document,
                "Pin or hide a document",
                body=DocumentChanges,
                returns=Document,
                access="editor",
            ),
            Route("DELETE", document, self.delete_document, "Delete an uploaded document", status=204, access="editor"),
        ]

    def _removal_routes(self) -> list[Route]:
        pending = "/api/sources/<uuid:id>/removals"
        return [
            Route(
                "GET",
                pending,
                self.list_removals,
                "List withheld removals",
                query=RemovalQuery,
                returns=RemovalList,
            ),
            Route(
                "POST",
                f"{pending}/accept",
                self.accept_removals,
                "Accept withheld removals",
                body=RemovalDecision,
                returns=StartedRun,
                status=202,
                access="editor",
            ),
            Route(
                "POST",
                f"{pending}/refuse",
                self.refuse_removals,
                "Refuse withheld removals",
                body=RemovalDecision,
                returns=KeptDocuments,
                access="editor",
            ),
        ]

    def list_documents(self, call: Call) -> DocumentList:
        """List documents by key, without their text. With `deleted`, list removed documents that can be restored."""
        with self.database.transaction(call.workspace_id, settings=SETTINGS) as tx:
            return documents.read_documents(tx, call.workspace_id, call.args)

    def count_documents(self, call: Call) -> Facets:
        """Count the documents that match a filter, in all and by source, kind, language, tag, year and front matter.

        Each value comes with the condition that selects its documents. At most 20 values of a field are counted, and 10
        fields of front matter. Fields of front matter are not counted if more than 20,000 documents match.
        """
        with self.database.transaction(call.workspace_id, settings=SETTINGS) as tx:
            return facets.read_facets(tx, call.workspace_id, call.args)

    def get_document(self, call: Call) -> Reply:
        """Get a document with its text."""
        with self.database.transaction(call.workspace_id) as tx:
            document = documents.read_document(tx, call.workspace_id, call.path["id"])
        return Reply(document, headers=_CACHE_FOR_A_MINUTE)

    def upload_document(self, call: Call) -> AddedDocument:
        """Add a Markdown or text document to a source, or replace an uploaded one with the same key.

        The document is readable at once; a run of kind `upload` embeds it. 409 if the source itself lists the key.
        """
        workspace_id, source_id, new = call.workspace_id, call.path["id"], call.body
        with self.database.transaction(workspace_id) as tx:
            model, language = upload.check_addable(tx, workspace_id, source_id, new.key)
        parse = partial(self.parsers.parse, workspace_id, model=model, language=language, wait_s=_WAIT_S)
        rows = upload.read(new, parse, self.settings.max_file_bytes)
        with self.tickets.opening_run(call.workspace_id) as tx:
            return upload.add_document(tx, workspace_id, source_id, rows)

    def restore_document(self, call: Call) -> Document:
        """Restore a removed document. It is searchable at once.

        A run of kind `restore` resolves the links to it and embeds missing vectors.
        """
        with self.database.transaction(call.workspace_id) as tx:
            read_document_ref(tx, call.workspace_id, call.path["id"])
        with self.tickets.opening_run(call.workspace_id) as tx:
            return restore.restore_document(tx, call.workspace_id, call.path["id"])

    def place_document(self, call: Call) -> Document:
        """Pin a document, so that search ranks its passages higher, or hide it, so that search doesn't find it.

        null undoes both. A hidden document can still be read and listed. The placement stays when the document is
        collected again, moved or restored.
        """
        with self.database.transaction(call.workspace_id) as tx:
            placement.place_document(tx, call.caller, call.path["id"], call.body.placement)
            return documents.read_document(tx, call.workspace_id, call.path["id"])

    def delete_document(self, call: Call) -> None:
        """Delete an uploaded document. It can be restored until it is purged (`KEEP_DELETED_DAYS`).

        409 for a document that the source lists: remove or exclude it there.
        """
        with self.database.transaction(call.workspace_id) as tx:
            read_document_ref(tx, call.workspace_id, call.path["id"])
        with self.tickets.opening_run(call.workspace_id) as tx:
            upload.delete_document(tx, call.workspace_id, call.path["id"])

    def list_removals(self, call: Call) -> RemovalList:
        """List the documents whose removal was withheld because the last listing lacked many of the source's documents.

        They stay searchable until the removals are accepted.
        """
        with self.database.transaction(call.workspace_id) as tx:
            return removals.read_removals(tx, call.workspace_id, call.path["id"], call.args)

    def accept_removals(self, call: Call) -> StartedRun:
        """Remove the documents whose removal was withheld, in a run of kind `removal`. They can be restored.

        409 if a newer listing exists: list the removals again and decide on those.
        """
        source_id = call.path["id"]
        with self.database.transaction(call.workspace_id) as tx:
            check_source(tx, call.workspace_id, source_id)
        with self.tickets.opening_run(call.workspace_id) as tx:
            return StartedRun(removals.accept_removals(tx, call.workspace_id, source_id, call.body))

    def refuse_removals(self, call: Call) -> KeptDocuments:
        """Keep the documents whose removal was withheld. No run removes them before the source has listed them again.

        409 if a newer listing exists: list the removals again and decide on those.
        """
        with self.database.transaction(call.workspace_id) as tx:
            return removals.refuse_removals(tx, call.workspace_id, call.path["id"], call.body)
