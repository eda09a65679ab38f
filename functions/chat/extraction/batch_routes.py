"""The routes of extractions from many documents: estimate, start, follow, download, cancel, retry, delete."""

import uuid
from collections.abc import Iterator
from functools import partial
from typing import Annotated, Any

import flask
import msgspec
from sqlalchemy.engine import Connection

from functions.chat.conversations.model_choice import read_workspace_chat
from functions.chat.extraction import extractions
from functions.chat.extraction.extract import Extraction, estimate
from functions.chat.extraction.extractions import Document, ExtractionState
from functions.chat.extraction.extractor import Extractor
from functions.chat.extraction.output_schema import OutputSchema
from functions.chat.extraction.passages import to_uuids
from functions.chat.extraction.table import CONTENT_TYPES, Format, columns, csv_header, to_csv, to_jsonl
from functions.chat.retrieval.routes import check_question
from functions.chat.usage.metering import CHARS_PER_TOKEN
from headwater.auth.callers import Caller, ensure_local_workspace
from headwater.database.transactions import Database, after_commit
from headwater.errors import Conflict, UnprocessableContent
from headwater.filters.parse import parse_filter
from headwater.filters.sql import SETTINGS, Where, where
from headwater.queue.tickets import Tickets
from headwater.usage.prices import load_prices
from headwater.usage.record import Tokens, cost_of
from headwater.web.app import Call, Route

MAX_BATCH = 2_000
"""Documents of an extraction."""

MAX_RUNNING = 5
"""Extractions that a caller runs at a time."""

LISTED = 100


class ExtractionRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to extract from each of many documents: of `documents`, or of those that match `filter`.

    An empty `filter` without `documents` is all documents of the workspace.
    """

    schema: dict[str, Any]
    question: str
    documents: Annotated[list[uuid.UUID], msgspec.Meta(max_length=MAX_BATCH)] = []
    filter: str = ""
    model: Annotated[str, msgspec.Meta(max_length=200)] | None = None


class ExtractionEstimate(msgspec.Struct, frozen=True):
    """What an extraction would take. `cost` is in US dollars, null if the model's price is unknown."""

    documents: int
    input_tokens: int
    output_tokens: int
    model: str
    cost: float | None


class ExtractionList(msgspec.Struct, frozen=True):
    """The caller's latest extractions."""

    extractions: list[ExtractionState]


class RowsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The format of the rows."""

    format: Format = "jsonl"


class BatchRoutes:
    """Handlers of extractions. `tickets` wake the queue that runs them; None for no queue."""

    def __init__(
        self, database: Database, extractor: Extractor, tickets: Tickets | None, max_question_chars: int
    ) -> None:
        self.database = database
        self.extractor = extractor
        self.tickets = tickets
        self.max_question_chars = max_question_chars

    def routes(self) -> list[Route]:
        """Return the routes."""
        one = "/api/extractions/<uuid:id>"
        return [
            Route(
                "POST",
                "/api/extractions/estimate",
                self.estimate_extraction,
                "Estimate an extraction",
                body=ExtractionRequest,
                returns=ExtractionEstimate,
                access="editor",
            ),
            Route(
                "POST",
                "/api/extractions",
                self.create_extraction,
                "Extract from many documents",
                body=ExtractionRequest,
                returns=ExtractionState,
                status=201,
                access="editor",
            ),
            Route("GET", "/api/extractions", self.list_extractions, "List extractions", returns=ExtractionList),
            Route("GET", one, self.get_extraction, "Get an extraction", returns=ExtractionState),
            Route(
                "GET",
                f"{one}/rows",
                self.download_rows,
                "Download the rows of an extraction",
                query=RowsQuery,
                others=tuple((200, kind.partition(";")[0]) for kind in CONTENT_TYPES.values()),
            ),
            Route(
                "POST",
                f"{one}/cancel",
                self.cancel_extraction,
                "Cancel an extraction",
                returns=ExtractionState,
                access="editor",
            ),
            Route(
                "POST",
                f"{one}/retry",
                self.retry_extraction,
                "Extract from failed documents again",
                returns=ExtractionState,
                access="editor",
            ),
            Route("DELETE", one, self.delete_extraction, "Delete an extraction", status=204, access="editor"),
        ]

    def estimate_extraction(self, call: Call) -> ExtractionEstimate:
        """Say how many documents an extraction would read, and what it would cost. Nothing is stored."""
        with self._transaction(call.caller) as tx:
            return self._estimate(tx, call.caller, call.body)[1]

    def create_extraction(self, call: Call) -> ExtractionState:
        """Extract from each document on its own, as `extractValue` does, as work of the queue `chat`.

        Its documents are those that match now. Budgets are checked for each document.
        """
        tickets = self._tickets()
        request: ExtractionRequest = call.body
        caller = call.caller
        tickets.arm_watchdog()
        with self._transaction(caller) as tx:
            ensure_local_workspace(tx, caller.workspace_id)
            documents, estimated = self._estimate(tx, caller, request)
            running = [each for each in extractions.read_latest(tx, caller, LISTED) if each.state == "running"]
            if len(running) >= MAX_RUNNING:
                raise Conflict(f"{MAX_RUNNING} of your extractions are running. Wait for one, or cancel it.")
            extraction_id = extractions.create(
                tx,
                caller,
                question=check_question(request.question, self.max_question_chars, "question"),
                schema=request.schema,
                model=request.model,
                documents=documents,
                estimated_cost=estimated.cost,
            )
            after_commit(tx, partial(tickets.wake, ["chat"]))
            return extractions.read(tx, caller, extraction_id)

    def list_extractions(self, call: Call) -> ExtractionList:
        """List the caller's latest 100 extractions."""
        with self.database.transaction(call.workspace_id) as tx:
            return ExtractionList(extractions.read_latest(tx, call.caller, LISTED))

    def get_extraction(self, call: Call) -> ExtractionState:
        """Get an extraction with its progress."""
        with self.database.transaction(call.workspace_id) as tx:
            return extractions.read(tx, call.caller, call.path["id"])

    def download_rows(self, call: Call) -> flask.Response:
        """Download one row for each document that is done or failed, in the order of the documents.

        JSON Lines have the whole value with its citations. CSV has a column for each property of the schema, and one
        for its sources; texts that spreadsheets would run as formulas begin with an apostrophe.
        """
        with self.database.transaction(call.workspace_id) as tx:
            state = extractions.read(tx, call.caller, call.path["id"])
        content = self._rows(call.caller, state, call.args.format)
        headers = {
            "Content-Disposition": f'attachment; filename="extraction-{state.id}.{call.args.format}"',
            "Cache-Control": "private, no-store",
        }
        return flask.Response(content, headers=headers, content_type=CONTENT_TYPES[call.args.format])

    def cancel_extraction(self, call: Call) -> ExtractionState:
        """Cancel the documents that are not done. The rows of the others stay."""
        with self.database.transaction(call.workspace_id) as tx:
            extractions.cancel(tx, call.caller, call.path["id"])
            return extractions.read(tx, call.caller, call.path["id"])

    def retry_extraction(self, call: Call) -> ExtractionState:
        """Extract again from the documents that failed or were cancelled."""
        with self.database.transaction(call.workspace_id) as tx:
            extractions.read(tx, call.caller, call.path["id"])
        tickets = self._tickets()
        tickets.arm_watchdog()
        with self.database.transaction(call.workspace_id) as tx:
            extractions.retry(tx, call.caller, call.path["id"])
            after_commit(tx, partial(tickets.wake, ["chat"]))
            return extractions.read(tx, call.caller, call.path["id"])

    def delete_extraction(self, call: Call) -> None:
        """Cancel an extraction, and delete it with its rows."""
        with self.database.transaction(call.workspace_id) as tx:
            extractions.delete(tx, call.caller, call.path["id"])

    def _estimate(
        self, tx: Connection, caller: Caller, request: ExtractionRequest
    ) -> tuple[list[Document], ExtractionEstimate]:
        """Return the documents of a request and an estimate. Raises UnprocessableContent."""
        question = check_question(request.question, self.max_question_chars, "question")
        schema = OutputSchema(request.schema)
        self.extractor.check_model(caller)
        documents = extractions.find_documents(tx, caller.workspace_id, _wanted(request), MAX_BATCH + 1)
        if not documents:
            raise UnprocessableContent("No document matches. Choose others with documents or filter.")
        if len(documents) > MAX_BATCH:
            raise UnprocessableContent(f"More than {MAX_BATCH:,} documents match. Choose fewer with filter.")
        answerer = self.extractor.answerer
        allowed = answerer.models.allowed_names(read_workspace_chat(tx, caller).allowed)
        if request.model and request.model not in allowed:
            raise UnprocessableContent(f"model: {request.model} is not available. Choose one of {', '.join(allowed)}.")
        model = request.model or allowed[0]
        each = estimate(Extraction(question, []), schema)
        chars = sum(document.chars for document in documents)
        tokens = Tokens(chars // CHARS_PER_TOKEN + each.input * len(documents), output=each.output * len(documents))
        cost = cost_of(load_prices(answerer.settings.prices), model, tokens, len(documents))
        return documents, ExtractionEstimate(
            len(documents), tokens.input, tokens.output, model, None if cost is None else float(cost)
        )

    def _tickets(self) -> Tickets:
        if self.tickets is None:
            raise UnprocessableContent("Extractions need the queue `chat`. Set CHAT_URL, or use POST /api/extract.")
        return self.tickets

    def _rows(self, caller: Caller, state: ExtractionState, format_: Format) -> Iterator[bytes]:
        names = columns(OutputSchema(state.schema).json)
        if format_ == "csv":
            yield csv_header(names)
        after = 0
        while True:
            with self.database.transaction(caller.workspace_id) as tx:
                rows = extractions.read_rows(tx, caller, state.id, after)
            if not rows:
                return
            yield to_csv(rows, names) if format_ == "csv" else to_jsonl(rows)
            after = rows[-1].n

    def _transaction(self, caller: Caller) -> Any:
        return self.database.transaction(caller.workspace_id, settings=SETTINGS)


def _wanted(request: ExtractionRequest) -> Where:
    chosen = parse_filter(request.filter)
    if request.documents and chosen is not None:
        raise UnprocessableContent("documents and filter can't be combined. Name documents, or choose them by filter.")
    if request.documents:
        return Where("d.id = any(cast(:extracted_ids as uuid[]))", {"extracted_ids": to_uuids(request.documents)})
    return where(chosen)
