"""The route that extracts values from documents as JSON."""

import uuid
from collections.abc import Callable, Generator, Iterator
from typing import Annotated, Any

import flask
import msgspec

from functions.chat.doors.event_stream import event_response
from functions.chat.doors.openai_chat import DONE, event
from functions.chat.extraction.checked_json import Delta, Restart
from functions.chat.extraction.citing import ValueCitation
from functions.chat.extraction.extract import Extracted
from functions.chat.extraction.extractor import Extractor, ExtractTask, Prepared, Result, finish
from functions.chat.extraction.output_schema import OutputSchema
from functions.chat.extraction.passages import MAX_DOCUMENTS
from functions.chat.retrieval.routes import check_question
from headwater import logs
from headwater.errors import UnprocessableContent, problem
from headwater.filters.parse import parse_filter
from headwater.web.app import Call, Route


class ExtractRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to extract, as a JSON Schema and a question, and from which documents.

    Without `documents`, the passages that a search for the question finds are read; `filter` says in which documents it
    searches. `model` is one of `GET /api/models`.
    """

    schema: dict[str, Any]
    question: str
    documents: Annotated[list[uuid.UUID], msgspec.Meta(max_length=MAX_DOCUMENTS)] = []
    filter: str = ""
    model: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    stream: bool = False


class ExtractUsage(msgspec.Struct, frozen=True):
    """The tokens that the model used, together with a repair."""

    input_tokens: int
    output_tokens: int


class ExtractResponse(msgspec.Struct, frozen=True, kw_only=True):
    """A value that matches the schema, with the place where each part comes from.

    `uncited` are JSON pointers to parts that no document is known to say. `repaired`: the model's first answer didn't
    match the schema, and it corrected it. `whole`: all of the documents was read, not only the passages that a search
    found.
    """

    value: Any
    citations: list[ValueCitation]
    uncited: list[str]
    model: str
    repaired: bool
    whole: bool
    usage: ExtractUsage


class ExtractRoutes:
    """Handlers that extract. A question has at most `max_question_chars` characters."""

    def __init__(self, extractor: Extractor, max_question_chars: int) -> None:
        self.extractor = extractor
        self.max_question_chars = max_question_chars

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route(
                "POST",
                "/api/extract",
                self.extract_value,
                "Extract values as JSON",
                body=ExtractRequest,
                returns=ExtractResponse,
                is_long=True,
                others=((200, "text/event-stream"),),
            )
        ]

    def extract_value(self, call: Call) -> flask.Response | ExtractResponse:
        """Read documents and return values from them as JSON that matches a schema, each with its citation.

        With `stream`, the response is server-sent events: `delta` has more of the model's JSON text, an object with the
        fields `value` and `citations`, which a parser of partial JSON reads at any time; after `restart` it begins
        again; `result` has the checked value. An error is the last event.
        """
        request: ExtractRequest = call.body
        task = self._task(request)
        chosen = parse_filter(request.filter)
        if request.documents and chosen is not None:
            raise UnprocessableContent("documents and filter can't be combined. Name documents, or filter a search.")
        prepared = self.extractor.prepare(call.caller, task, request.documents, chosen)
        if request.stream:
            groups = self.extractor.extract(prepared)
            return event_response(json_events(groups, lambda found: _response(prepared, found), call.request_id))
        return _response(prepared, finish(self.extractor.extract(prepared)))

    def _task(self, request: ExtractRequest) -> ExtractTask:
        question = check_question(request.question, self.max_question_chars, "question")
        return ExtractTask(question, OutputSchema(request.schema), request.model)


def _response(prepared: Prepared, found: Extracted) -> ExtractResponse:
    used = prepared.model.used
    return ExtractResponse(
        value=found.value,
        citations=found.citations,
        uncited=found.uncited,
        model=found.model,
        repaired=found.is_repaired,
        whole=prepared.is_whole,
        usage=ExtractUsage(used.input, used.output),
    )


def json_events(
    groups: Generator[list[Delta | Restart], None, Result],
    respond: Callable[[Result], msgspec.Struct],
    request_id: str,
    *,
    failed: str = "extraction.failed",
) -> Iterator[bytes]:
    """Yield the events of a streamed value, an empty one if there is nothing new. An error is the last event.

    `failed` is the action of its log entry.
    """
    try:
        while True:
            try:
                group = next(groups)
            except StopIteration as end:
                yield event({"type": "result", **msgspec.structs.asdict(respond(end.value))}) + DONE
                return
            yield b"".join(map(event, group))
    except Exception as error:  # noqa: BLE001 - the boundary: every stream must end properly
        logs.event(failed, severity=30, error=error)
        yield event({"type": "error", "error": problem(error, request_id)}) + DONE
    finally:
        groups.close()
