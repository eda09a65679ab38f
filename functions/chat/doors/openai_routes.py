"""The routes in the shape of OpenAI's API: chat completions, responses, models; and of Cohere's: rerank."""

import uuid
from collections.abc import Iterable, Iterator

import flask
import msgspec

from functions.chat.answers.collect import Collector
from functions.chat.conversations.answerer import Answerer
from functions.chat.conversations.model_choice import read_allowed
from functions.chat.doors.event_stream import event_response
from functions.chat.doors.openai_chat import (
    DEFAULT_MODEL,
    DONE,
    Chunks,
    Completion,
    CompletionRequest,
    completion,
    error_event,
    read_conversation,
)
from functions.chat.doors.rerank import RerankRequest, RerankResponse, rerank
from functions.chat.doors.stateless import answer_once
from functions.chat.retrieval.reranking import Reranking
from functions.chat.retrieval.routes import check_question
from functions.chat.streams.ui_message_stream import Part
from headwater import logs
from headwater.errors import problem
from headwater.web.app import Call, Route


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
            ),
            Route("GET", "/v1/models", self.list_models, "List the models", returns=ModelList),
            Route("POST", "/v1/rerank", self.rerank_texts, "Rerank texts", body=RerankRequest, returns=RerankResponse),
        ]

    def create_completion(self, call: Call) -> flask.Response | Completion:
        """Answer the last message from the documents, with citations `[n]`.

        The response has two more fields than OpenAI's, `citations` and `notice`; a stream has them in its last chunk.
        `model` is `headwater` or a name that `listModels` returns. Nothing is stored.
        """
        request: CompletionRequest = call.body
        text, history = read_conversation(request.messages)
        question = check_question(text, self.max_question_chars, "messages")
        groups = answer_once(
            self.answerer,
            call.caller,
            question,
            history=history,
            document_filter=request.filter,
            model_name=None if request.model == DEFAULT_MODEL else request.model,
        )
        completion_id = f"chatcmpl-{uuid.uuid4().hex}"
        if request.stream:
            chunks = Chunks(completion_id, request.model)
            return event_response(_events(groups, chunks, call.request_id))
        collector = Collector()
        for _ in collector.watch(groups):
            pass
        return completion(completion_id, request.model, collector.answer())

    def list_models(self, call: Call) -> ModelList:
        """List the names that `createCompletion` accepts: `headwater`, and the models that the workspace allows."""
        with self.answerer.database.transaction(call.workspace_id) as tx:
            allowed = read_allowed(tx, call.caller)
        return ModelList([Model(name) for name in (DEFAULT_MODEL, *self.answerer.models.allowed_names(allowed))])

    def rerank_texts(self, call: Call) -> RerankResponse:
        """Score texts for a query by the installation's reranker, best first. The shape is that of Cohere's API."""
        return rerank(call.body, self.reranking, self.max_question_chars)


def _events(groups: Iterable[list[Part]], chunks: Chunks, request_id: str) -> Iterator[bytes]:
    """Yield an answer's chunks, an empty one if there is nothing new. An error ends the stream with an error event."""
    collector = Collector()
    try:
        yield chunks.start()
        for parts in collector.watch(groups):
            yield b"".join(chunks.encode(parts))
        yield chunks.end(collector.answer())
        yield DONE
    except Exception as error:  # noqa: BLE001 - the boundary: every stream must end properly
        logs.event("completion.failed", severity=30, error=error)
        yield error_event(problem(error, request_id)["detail"], request_id)
