"""The chat function's routes: search, chat, conversations. Validates input and calls the rest."""

import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Annotated, Any, Literal

import flask
import msgspec

from functions.chat.answers.compose import MODEL_UNAVAILABLE, Question, compose
from functions.chat.answers.prompt import ChatModel
from functions.chat.conversations import conversations, feedback
from functions.chat.conversations.conversations import Conversation, ConversationList, ConversationQuery
from functions.chat.conversations.feedback import Feedback, FeedbackQuery, RatedQuestions
from functions.chat.models.models import load_model
from functions.chat.retrieval.reranking import Problem, Reranking
from functions.chat.retrieval.search import Passage, Ranking, Search
from functions.chat.retrieval.settings import HalfLife, SearchSettings, read_settings, write_settings
from functions.chat.streams import message_log
from functions.chat.streams.replay import Replayer
from functions.chat.streams.ui_message_stream import CONTENT_TYPE, HEADERS, Abort
from functions.chat.streams.writer import Writer
from headwater.config import Settings
from headwater.database.transactions import Database
from headwater.embedding.base import Embedder
from headwater.errors import ConfigError, UnprocessableContent, UpstreamError
from headwater.filters.parse import parse_filter
from headwater.filters.sql import where
from headwater.web.app import Call, Reply, Route
from headwater.web.shutdown import Lifetime


class SearchQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A search: the text, the maximum number of passages, and optionally a filter and one source to search in.

    `filter` chooses documents, as in `tag:release date>=2026 -path:drafts/**`. `by` ranks by words or vectors alone, to
    compare them. `half_life_days` prefers recent documents: one of this age counts as usual, newer ones more, older
    ones less. Its default is the workspace's setting. `rerank: false` keeps the fused order.
    """

    q: str = ""
    k: Annotated[int, msgspec.Meta(ge=1, le=50)] = 10
    source_id: uuid.UUID | None = None
    filter: str = ""
    by: Ranking = "hybrid"
    half_life_days: HalfLife | None = None
    rerank: bool = True


class SearchRequest(SearchQuery, frozen=True, forbid_unknown_fields=True):
    """A search, as `SearchQuery`."""


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """A matching passage: the document's `text[start:end]`, in Unicode code points.

    `excerpt` is the passage as it is shown: without comments, identifiers and other markup, after the header of the
    table that it continues. `page` is the page on which it begins, null for formats without pages. `documents` is the
    number of documents with the same passage; it is found once.
    A question is answered from `relevant` hits only, and declined if there are none.
    """

    document_id: uuid.UUID
    title: str
    url: str | None
    key: str
    heading_path: list[str]
    text: str
    excerpt: str
    page: int | None
    start: int
    end: int
    documents: int
    score: float
    relevant: bool


class Hits(msgspec.Struct, frozen=True):
    """Matching passages, best first.

    `reranked`: whether the installation's reranker ordered them. `rerank_problem` says why it didn't, and is null if no
    reranker was asked.
    """

    hits: list[Hit]
    reranked: bool
    rerank_problem: Problem | None


class PostedMessage(msgspec.Struct, frozen=True):
    """A message as the AI SDK posts it. Only parts of type `text` are read."""

    role: Literal["system", "user", "assistant"]
    parts: list[dict[str, Any]]
    id: str = ""


class ChatRequest(msgspec.Struct, frozen=True):
    """What `useChat` posts: a conversation's id and its messages. Only the last message is read.

    `filter` says which documents the answer is from, as in a search. A question without one has the filter of the
    question before; one with an empty filter has none. `half_life_days` prefers recent documents.
    """

    id: str
    messages: list[PostedMessage]
    half_life_days: HalfLife | None = None
    filter: str | None = None


class Stopped(msgspec.Struct, frozen=True):
    """Whether a running answer was stopped."""

    stopped: bool


def routes(
    database: Database,
    settings: Settings,
    embedder: Callable[[str], Embedder],
    lifetime: Lifetime,
    *,
    reranking: Reranking | None = None,
) -> list[Route]:
    """Return the function's routes. Opens and loads nothing."""
    return Chat(database, settings, Search(database, embedder, reranking=reranking), lifetime).routes()


class Chat:
    """The handlers of the routes."""

    def __init__(self, database: Database, settings: Settings, search: Search, lifetime: Lifetime) -> None:
        self.database = database
        self.settings = settings
        self.lifetime = lifetime
        self.replayer = Replayer(database, lifetime)
        self.search = search

    @cached_property
    def model(self) -> ChatModel:
        """The chat model. Raises ConfigError while it or its key is missing."""
        return load_model(self.settings)

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("GET", "/api/search", self.search_passages, "Search passages", query=SearchQuery, returns=Hits),
            Route(
                "POST",
                "/api/search",
                self.search_long_text,
                "Search with a long text",
                body=SearchRequest,
                returns=Hits,
            ),
            Route(
                "GET",
                "/api/search/settings",
                self.get_search_settings,
                "Get the settings of search",
                returns=SearchSettings,
            ),
            Route(
                "PUT",
                "/api/search/settings",
                self.set_search_settings,
                "Change the settings of search",
                body=SearchSettings,
                returns=SearchSettings,
                access="editor",
            ),
            Route("POST", "/api/chat", self.stream_chat, "Ask a question", body=ChatRequest, streams=True),
            Route("GET", "/api/chat/<id>/stream", self.resume_chat, "Resume an answer", streams=True),
            Route("POST", "/api/chat/<id>/stop", self.stop_chat, "Stop an answer", returns=Stopped, status=202),
            Route(
                "GET",
                "/api/conversations",
                self.list_conversations,
                "List conversations",
                query=ConversationQuery,
                returns=ConversationList,
            ),
            Route("GET", "/api/conversations/<id>", self.get_conversation, "Get a conversation", returns=Conversation),
            Route("DELETE", "/api/conversations/<id>", self.delete_conversation, "Delete a conversation", status=204),
            Route(
                "PUT",
                "/api/conversations/<id>/messages/<uuid:message_id>/feedback",
                self.rate_answer,
                "Rate an answer",
                body=Feedback,
                status=204,
            ),
            Route(
                "GET",
                "/api/feedback",
                self.list_feedback,
                "List rated questions",
                query=FeedbackQuery,
                returns=RatedQuestions,
                access="editor",
            ),
        ]

    def search_passages(self, call: Call) -> Hits:
        """Find the passages that match a question by meaning and by words, best first.

        `text[start:end]` of the document is the passage, in Unicode code points.
        """
        return self._search(call, call.args)

    def search_long_text(self, call: Call) -> Hits:
        """Search like `searchPassages`, with the parameters in the body: a URL is too short for some questions."""
        return self._search(call, call.body)

    def _search(self, call: Call, query: SearchQuery) -> Hits:
        question = check_question(query.q, self.settings.max_question_chars, "q")
        results = self.search.find(
            call.workspace_id,
            question,
            query.k,
            where(parse_filter(query.filter), query.source_id),
            by=query.by,
            half_life_days=query.half_life_days,
            rerank=query.rerank,
        )
        return Hits([_hit(passage) for passage in results.passages], results.reranked, results.problem)

    def get_search_settings(self, call: Call) -> SearchSettings:
        """Get how searches of the workspace rank."""
        with self.database.transaction(call.workspace_id) as tx:
            return read_settings(tx, call.caller)

    def set_search_settings(self, call: Call) -> SearchSettings:
        """Change how searches and questions of the workspace rank, unless they say otherwise themselves."""
        with self.database.transaction(call.workspace_id) as tx:
            write_settings(tx, call.caller, call.body)
            return read_settings(tx, call.caller)

    def stream_chat(self, call: Call) -> flask.Response:
        """Store a question and stream its answer as server-sent events, in the AI SDK's UI message stream protocol v1.

        Citations `[n]` in the text refer to the `source-document` parts. The answer is completed and stored even if the
        client disconnects.
        """
        request: ChatRequest = call.body
        conversation_id = check_conversation_id(request.id)
        message_id, question = read_question(request.messages, self.settings.max_question_chars)
        parse_filter(request.filter or "")
        is_owner = call.caller.role == "owner"
        try:
            model = self.model
        except ConfigError as error:
            raise error if is_owner else UpstreamError(MODEL_UNAVAILABLE) from error
        with self.database.transaction(call.workspace_id) as tx:
            answer, history = conversations.ask(tx, call.caller, conversation_id, message_id, question)
            remembered = conversations.remember_filter(tx, call.caller, conversation_id, request.filter)
        asked = Question(answer, question, history, is_owner, request.half_life_days, parse_filter(remembered))
        groups = compose(asked, self.search, model, self.settings.chat_timeout_s)
        writer = Writer(self.database, answer, request_id=call.request_id, lifetime=self.lifetime)
        return _stream(writer.write(groups))

    def resume_chat(self, call: Call) -> flask.Response | Reply:
        """Replay the conversation's running answer from its start and follow it to its end. 204 if none is running.

        With the header `Last-Event-ID`, continue after that event, even if the answer has ended since.
        """
        conversation_id = _row_id(call)
        last_seen = call.request.headers.get("Last-Event-ID", "")
        after = int(last_seen) if re.fullmatch("[0-9]{1,9}", last_seen) else 0
        with self.database.transaction(call.workspace_id) as tx:
            answer, is_open = message_log.find_last(tx, call.workspace_id, conversation_id)
            if answer is None or not (is_open or (after and message_log.read(tx, answer, after))):
                return Reply(None, 204)
        return _stream(self.replayer.replay(answer, after=after, request_id=call.request_id))

    def stop_chat(self, call: Call) -> Stopped:
        """Stop the conversation's running answer. The text written so far is kept."""
        with self.database.transaction(call.workspace_id) as tx:
            conversations.read_title(tx, call.caller, check_conversation_id(call.path["id"]))
            answer = message_log.find_running(tx, call.workspace_id, _row_id(call))
            try:
                if answer:
                    message_log.end(tx, answer, "stopped", Abort())
            except message_log.AnswerEnded:
                answer = None
        return Stopped(answer is not None)

    def list_conversations(self, call: Call) -> ConversationList:
        """List the caller's conversations, latest first. Conversations are private to the caller who started them."""
        with self.database.transaction(call.workspace_id) as tx:
            return conversations.read_conversations(tx, call.caller, call.args)

    def get_conversation(self, call: Call) -> Conversation:
        """Get a conversation with its messages. An answer that is still being written is not included."""
        conversation_id = check_conversation_id(call.path["id"])
        with self.database.transaction(call.workspace_id) as tx:
            return conversations.read_conversation(tx, call.caller, conversation_id)

    def delete_conversation(self, call: Call) -> None:
        """Delete a conversation and stop its running answer."""
        conversation_id = check_conversation_id(call.path["id"])
        with self.database.transaction(call.workspace_id) as tx:
            conversations.delete_conversation(tx, call.caller, conversation_id)

    def rate_answer(self, call: Call) -> None:
        """Say whether an answer was good or bad, and why.

        Shares its question, the reason and the keys of the cited documents with the editors of the workspace.
        """
        conversation_id = check_conversation_id(call.path["id"])
        with self.database.transaction(call.workspace_id) as tx:
            feedback.rate(tx, call.caller, conversation_id, call.path["message_id"], call.body)

    def list_feedback(self, call: Call) -> RatedQuestions:
        """List the questions whose answers were rated, latest first, for an evaluation of search."""
        with self.database.transaction(call.workspace_id) as tx:
            return feedback.read_rated_questions(tx, call.workspace_id, call.args)


def check_conversation_id(conversation_id: str) -> str:
    """Return the id if it is valid. Raises UnprocessableContent."""
    if not re.fullmatch("[A-Za-z0-9_-]{1,64}", conversation_id):
        raise UnprocessableContent("A conversation id has 1 to 64 letters, digits, hyphens and underscores.")
    return conversation_id


def check_question(question: str, max_chars: int, name: str) -> str:
    """Return the question without NUL characters. Raises UnprocessableContent if it is empty or too long."""
    if len(question) > max_chars:
        raise UnprocessableContent(f"{name} is too long: {len(question)} characters, {max_chars} are allowed.")
    question = question.replace("\0", "").strip()
    if not question:
        raise UnprocessableContent(f"{name} is empty.")
    return question


def read_question(messages: Sequence[PostedMessage], max_chars: int) -> tuple[str, str]:
    """Return the id and text of the last message. Raises UnprocessableContent if it is not a user's question."""
    if not messages or messages[-1].role != "user":
        raise UnprocessableContent("The last message must be a question with the role `user`.")
    last = messages[-1]
    if any(part.get("type") == "file" for part in last.parts):
        raise UnprocessableContent("Files in questions are not supported. Send text only.")
    texts = [part.get("text") for part in last.parts if part.get("type") == "text"]
    text = "\n".join(text for text in texts if isinstance(text, str))
    return last.id, check_question(text, max_chars, "The question")


def _row_id(call: Call) -> str:
    return conversations.row_id(call.caller, check_conversation_id(call.path["id"]))


def _hit(passage: Passage) -> Hit:
    return msgspec.convert(passage, Hit, from_attributes=True)


def _stream(events: Iterator[bytes]) -> flask.Response:
    return flask.Response(events, headers=HEADERS, content_type=CONTENT_TYPE)
