"""The routes in the shape of OpenAI's API: chat completions, responses, models; and of Cohere's: rerank."""

import uuid
from collections.abc import Iterator, Sequence
from typing import Protocol

import flask
import msgspec

from functions.chat.answers.collect import CollectedAnswer, Collector
from functions.chat.conversations.answerer import Answerer
from functions.chat.conversations.model_choice import read_allowed
from functions.chat.doors import openai_chat, openai_responses
from functions.chat.doors.event_stream import event_response
from functions.chat.doors.openai_chat import DEFAULT_MODEL, Chunks, Completion, CompletionRequest, completion
from functions.chat.doors.openai_input import Asked
from functions.chat.doors.openai_response_events import ResponseEvents
from functions.chat.doors.openai_responses import ResponseObject, ResponseRequest
from functions.chat.doors.rerank import RerankRequest, RerankResponse, rerank
from functions.chat.doors.stateless import StatelessAnswer, answer_once
from functions.chat.retrieval.reranking import Reranking
from functions.chat.retrieval.routes import check_question
from functions.chat.streams.ui_message_stream import Part
from headwater import logs
from headwater.errors import problem
from headwater.usage.record import Tokens, payer_of
from headwater.web.app import Call, Route


class Encoder(Protocol):
    """Encodes an answer as the events of one of OpenAI's APIs."""

    def start(self) -> bytes:
        """Return the first events."""
        ...

    def encode(self, parts: Sequence[Part]) -> Iterator[bytes]:
        """Yield the events of the next parts."""
        ...

    def end(self, answer: CollectedAnswer, used: Tokens) -> bytes:
        """Return the last events."""
        ...

    def fail(self, message: str, request_id: str) -> bytes:
        """Return the last event of an answer that failed."""
        ...


class Model(msgspec.Struct, frozen=True):
    """A model that answers from the documents."""

    id: str
    object: str = "model"
    created: int = 0
    owned_by: str = "headwater"


class ModelList(msgspec.Struct, frozen=True):
    """The models that the caller may name."""

    data: list[Model]
    object: str = "list"


class OpenAIRoutes:
    """Handlers for clients of OpenAI's API. A question has at most `max_question_chars` characters."""

    def __init__(self, answerer: Answerer, reranking: Reranking | None, max_question_chars: int) -> None:
        self.answerer = answerer
        self.reranking = reranking
        self.max_question_chars = max_question_chars

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route(
                "POST",
                "/v1/chat/completions",
                self.create_completion,
                "Answer like OpenAI's chat completions",
                body=CompletionRequest,
                returns=Completion,
                is_long=True,
                others=((200, "text/event-stream"),),
            ),
            Route(
                "POST",
                "/v1/responses",
                self.create_response,
                "Answer like OpenAI's responses",
                body=ResponseRequest,
                returns=ResponseObject,
                is_long=True,
                others=((200, "text/event-stream"),),
            ),
            Route("GET", "/v1/models", self.list_models, "List the models", returns=ModelList),
            Route("POST", "/v1/rerank", self.rerank_texts, "Rerank texts", body=RerankRequest, returns=RerankResponse),
        ]

    def create_completion(self, call: Call) -> flask.Response | Completion:
        """Answer the last message from the documents, with citations `[n]`.

        The response has two more fields than OpenAI's, `citations` and `notice`; a stream has them in its last chunk.
        `model` is `headwater` or a name that `listModels` returns. The model may call the request's `tools`, which the
        caller runs: the next request has their results. Nothing is stored.
        """
        request: CompletionRequest = call.body
        answer = self._answer(call, openai_chat.read_request(request), "messages", request.model, request.filter)
        completion_id = f"chatcmpl-{uuid.uuid4().hex}"
        if request.stream:
            include_usage = request.stream_options is not None and request.stream_options.include_usage
            chunks = Chunks(completion_id, request.model, include_usage=include_usage)
            return event_response(_events(answer, chunks, call.request_id))
        collector = Collector()
        for _ in collector.watch(answer.groups):
            pass
        return completion(completion_id, request.model, collector.answer(), collector.calls, answer.model.used)

    def create_response(self, call: Call) -> flask.Response | ResponseObject:
        """Answer the last message of `input` from the documents, with citations `[n]`.

        The response has two more fields than OpenAI's, `citations` and `notice`. `model` is `headwater` or a name that
        `listModels` returns. The model may call the request's `tools`, which the caller runs: the next request has
        their results. Nothing is stored.
        """
        request: ResponseRequest = call.body
        answer = self._answer(call, openai_responses.read_request(request), "input", request.model, request.filter)
        events = ResponseEvents(request)
        if request.stream:
            return event_response(_events(answer, events, call.request_id))
        collector = Collector()
        for parts in collector.watch(answer.groups):
            for _ in events.encode(parts):
                pass
        events.end(collector.answer(), answer.model.used)
        return events.response

    def _answer(self, call: Call, asked: Asked, field: str, model: str, document_filter: str) -> StatelessAnswer:
        return answer_once(
            self.answerer,
            call.caller,
            check_question(asked.text, self.max_question_chars, field),
            history=asked.history,
            document_filter=document_filter,
            model_name=None if model == DEFAULT_MODEL else model,
            added=asked.added,
        )

    def list_models(self, call: Call) -> ModelList:
        """List the names that `createCompletion` accepts: `headwater`, and the models that the workspace allows."""
        with self.answerer.database.transaction(call.workspace_id) as tx:
            allowed = read_allowed(tx, call.caller)
        return ModelList([Model(name) for name in (DEFAULT_MODEL, *self.answerer.models.allowed_names(allowed))])

    def rerank_texts(self, call: Call) -> RerankResponse:
        """Score texts for a query by the installation's reranker, best first. The shape is that of Cohere's API."""
        answer = rerank(call.body, self.reranking, self.max_question_chars)
        if self.reranking:
            self.reranking.record(self.answerer.sources.search.recorder, payer_of(call.caller))
        return answer


def _events(answer: StatelessAnswer, encoder: Encoder, request_id: str) -> Iterator[bytes]:
    """Yield an answer's events, an empty one if there is nothing new. An error ends the stream with its event."""
    collector = Collector()
    try:
        yield encoder.start()
        for parts in collector.watch(answer.groups):
            yield b"".join(encoder.encode(parts))
        yield encoder.end(collector.answer(), answer.model.used)
    except Exception as error:  # noqa: BLE001 - the boundary: every stream must end properly
        logs.event("completion.failed", severity=30, error=error)
        yield encoder.fail(problem(error, request_id)["detail"], request_id)
