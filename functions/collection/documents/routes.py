"""The routes about what becomes of single documents: withheld removals, tombstones, documents added by hand."""

from functools import cache

from functions.collection.documents import removals, restore, upload
from functions.collection.documents.documents import Document, read_document_ref
from functions.collection.documents.removals import KeptDocuments, RemovalDecision, RemovalList, RemovalQuery
from functions.collection.documents.upload import AddedDocument, NewDocument
from functions.collection.runs.runs import StartedRun
from functions.collection.sources.sources import check_source
from headwater.config import Settings
from headwater.database.transactions import Database
from headwater.embedding.registry import load_tokenizer
from headwater.queue.tickets import Tickets
from headwater.web.app import MAX_BODY_BYTES, Call, Route

_ESCAPED = 3
"""Bytes of JSON that a byte of text may take: a character of two bytes is six as `\\u00fc`."""


class DocumentRoutes:
    """What the routes do, with what they need."""

    def __init__(self, database: Database, settings: Settings, tickets: Tickets) -> None:
        self.database = database
        self.settings = settings
        self.tickets = tickets
        self.tokenizer = cache(lambda model: load_tokenizer(model, settings.model_dir))

    def routes(self) -> list[Route]:
        """Return them."""
        waiting, document = "/api/sources/<uuid:id>/removals", "/api/documents/<uuid:id>"
        return [
            Route(
                "GET",
                waiting,
                self.list_removals,
                "List the removals that wait for an answer",
                query=RemovalQuery,
                returns=RemovalList,
            ),
            Route(
                "POST",
                f"{waiting}/accept",
                self.accept,
                "Remove what waits",
                body=RemovalDecision,
                returns=StartedRun,
                status=202,
                access="editor",
            ),
            Route(
                "POST",
                f"{waiting}/refuse",
                self.refuse,
                "Keep what waits",
                body=RemovalDecision,
                returns=KeptDocuments,
                access="editor",
            ),
            Route(
                "PUT",
                "/api/sources/<uuid:id>/documents",
                self.add_document,
                "Add a document by hand, or replace one",
                body=NewDocument,
                returns=AddedDocument,
                status=202,
                access="editor",
                max_body_bytes=_ESCAPED * self.settings.max_file_bytes + MAX_BODY_BYTES,
            ),
            Route(
                "POST",
                f"{document}/restore",
                self.restore,
                "Bring a removed document back",
                returns=Document,
                access="editor",
            ),
            Route(
                "DELETE",
                document,
                self.delete_document,
                "Remove a document that was added by hand",
                status=204,
                access="editor",
            ),
        ]

    def list_removals(self, call: Call) -> RemovalList:
        with self.database.transaction(call.workspace_id) as tx:
            return removals.read_removals(tx, call.workspace_id, call.path["id"], call.args)

    def accept(self, call: Call) -> StartedRun:
        source_id = call.path["id"]
        with self.database.transaction(call.workspace_id) as tx:
            check_source(tx, call.workspace_id, source_id)
        with self.tickets.opening_run(call.workspace_id) as tx:
            return StartedRun(removals.accept_removals(tx, call.workspace_id, source_id, call.body))

    def refuse(self, call: Call) -> KeptDocuments:
        with self.database.transaction(call.workspace_id) as tx:
            return removals.refuse_removals(tx, call.workspace_id, call.path["id"], call.body)

    def add_document(self, call: Call) -> AddedDocument:
        """Read and cut the text between two transactions, as a step does."""
        workspace_id, source_id, new = call.workspace_id, call.path["id"], call.body
        with self.database.transaction(workspace_id) as tx:
            model = upload.check_addable(tx, workspace_id, source_id, new.key)
        rows = upload.read(new, self.tokenizer(model), self.settings.max_file_bytes)
        with self.tickets.opening_run(call.workspace_id) as tx:
            return upload.add_document(tx, workspace_id, source_id, rows)

    def restore(self, call: Call) -> Document:
        with self.database.transaction(call.workspace_id) as tx:
            read_document_ref(tx, call.workspace_id, call.path["id"])
        with self.tickets.opening_run(call.workspace_id) as tx:
            return restore.restore_document(tx, call.workspace_id, call.path["id"])

    def delete_document(self, call: Call) -> None:
        with self.database.transaction(call.workspace_id) as tx:
            read_document_ref(tx, call.workspace_id, call.path["id"])
        with self.tickets.opening_run(call.workspace_id) as tx:
            upload.delete_document(tx, call.workspace_id, call.path["id"])
