"""The routes that ask a question, resume its answer and stop it. The protocol is that of the AI SDK's `useChat`."""

import re
import uuid
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

import flask
import msgspec

from functions.chat.agents import store
from functions.chat.agents.posted_responses import read_responses
from functions.chat.agents.responses import NOT_WAITING, respond
from functions.chat.answers.evidence import Mode
from functions.chat.conversations import conversations
from functions.chat.conversations.answerer import Answerer, Wish, start_answer
from functions.chat.conversations.questions import ask, go_on
from functions.chat.retrieval.routes import check_question
from functions.chat.retrieval.settings import HalfLife
from functions.chat.streams import message_log
from functions.chat.streams.answer_queue import AnswerQueue
from functions.chat.streams.group_commit import GroupCommit
from functions.chat.streams.replay import Replayer
from functions.chat.streams.ui_message_stream import CONTENT_TYPE, HEADERS, Abort
from functions.chat.streams.writer import Writer
from headwater.conversations import ConversationId, check_conversation_id, row_id
from headwater.errors import Conflict, UnprocessableContent
from headwater.filters.parse import parse_filter
from headwater.web.app import Call, Reply, Route
from headwater.web.shutdown import Lifetime


class PostedMessage(msgspec.Struct, frozen=True):
    """A message as the AI SDK posts it. Of a question, only parts of type `text` are read; of an answer, its calls."""

    role: Literal["system", "user", "assistant"]
    parts: list[dict[str, Any]]
    id: str = ""


class ChatRequest(msgspec.Struct, frozen=True):
    """What `useChat` posts: a conversation's id and its messages. Only the last message is read.

    A new question follows the message `parent_id`, by default the last of the conversation's current path. A question
    with a stored id is asked again: with the same text it gets another answer, with another text it is another version
    of the question. With `continues`, the id of an incomplete answer, `messages` isn't read: another answer to the same
    question begins with the text of that one and continues it.

    If the last message is an agent's answer, its parts respond to calls that wait: those in the state
    `approval-responded` approve a call, with the `input` that it is to have, or reject it with a reason; the `output`
    of a call of `ask_user` is the person's answer. A response counts once. The agent goes on, and the stream continues.

    `filter` says which documents the answer is from, as in a search. A question without one has the filter of the
    question before; one with an empty filter has none. `half_life_days` prefers recent documents. `model` is one of
    `GET /api/models`, by default that of the question before. `mode`: whether the answer is from documents, the web, or
    both, or an agent's, which searches documents and runs code in steps of its own. `agent` is one of
    `GET /api/agents`, by default that of the question before, "" for the built-in one. Only `mode: agent` has one.
    """

    id: ConversationId
    messages: list[PostedMessage]
    half_life_days: HalfLife | None = None
    filter: str | None = None
    model: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    mode: Mode | Literal["agent"] = "documents"
    agent: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    parent_id: uuid.UUID | None = None
    continues: uuid.UUID | None = None


class StopQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which answer to stop; by default the one that is running."""

    answer: uuid.UUID | None = None


class Stopped(msgspec.Struct, frozen=True):
    """Whether a running answer was stopped."""

    stopped: bool


class ChatRoutes:
    """Handlers that stream answers. A question has at most `max_question_chars` characters."""

    def __init__(
        self,
        commits: GroupCommit,
        answerer: Answerer,
        lifetime: Lifetime,
        max_question_chars: int,
        *,
        queue: AnswerQueue,
    ) -> None:
        self.commits = commits
        self.database = commits.database
        self.answerer = answerer
        self.lifetime = lifetime
        self.max_question_chars = max_question_chars
        self.queue = queue
        self.replayer = Replayer(commits.database, lifetime, queue=queue)

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("POST", "/api/chat", self.stream_chat, "Ask a question", body=ChatRequest, streams=True),
            Route(
                "GET", "/api/chat/<id>/stream", self.resume_chat, "Resume an answer", streams=True, others=((204, ""),)
            ),
            Route(
                "POST",
                "/api/chat/<id>/stop",
                self.stop_chat,
                "Stop an answer",
                query=StopQuery,
                returns=Stopped,
                status=202,
            ),
        ]

    def stream_chat(self, call: Call) -> flask.Response:
        """Store a question and stream its answer as server-sent events, in the AI SDK's UI message stream protocol v1.

        Citations `[n]` in the text refer to the `source-document` and `source-url` parts. The answer is completed and
        stored even if the client disconnects; it may then be written again from its beginning.
        """
        request: ChatRequest = call.body
        conversation_id = check_conversation_id(request.id)
        if request.continues is None and request.messages and request.messages[-1].role == "assistant":
            return self._respond(call, conversation_id, request.messages[-1])
        if request.continues is None:
            message_id, question = read_question(request.messages, self.max_question_chars)
        parse_filter(request.filter or "")
        is_owner = call.caller.role == "owner"
        self.answerer.check_model(is_owner=is_owner)
        if request.mode == "agent" and request.continues is not None:
            raise UnprocessableContent("continues: an agent's answer can't be continued. Ask for the rest.")
        self.answerer.check_mode(request.mode, request.agent, has_queue=self.queue.tickets is not None)
        with self.database.transaction(call.workspace_id) as tx:
            if request.continues is None:
                begun = ask(tx, call.caller, conversation_id, message_id, question, after=request.parent_id)
            else:
                begun = go_on(tx, call.caller, conversation_id, request.continues)
            wish = Wish(
                request.filter,
                request.model,
                request.mode,
                request.agent,
                request.half_life_days,
                request.continues,
            )
            started = start_answer(tx, call.caller, conversation_id, begun, wish, answerer=self.answerer)
            if started.request is None:
                self.queue.start(tx)
        if started.request is None:
            started.model.close()  # the agent reserves for each of its turns
            return _stream(self.replayer.replay(begun.answer, after=0, request_id=call.request_id))
        asked = started.request.question(call.caller, begun, started.instructions)
        writer = Writer(
            self.commits, begun.answer, request_id=call.request_id, lifetime=self.lifetime, queue=self.queue
        )
        response = _stream(writer.write(self.answerer.answer(asked, started.model, is_open=True), started.events))
        response.call_on_close(started.model.close)  # if the client goes before the search
        return response

    def _respond(self, call: Call, conversation_id: str, message: PostedMessage) -> flask.Response:
        """Store the person's responses to calls of an agent, and stream what follows."""
        given = read_responses(message.parts, self.max_question_chars)
        if not given:
            raise UnprocessableContent(
                "The last message is an answer. Send it with a response to a waiting call, or send a question."
            )
        with self.database.transaction(call.workspace_id) as tx:
            conversations.read_title(tx, call.caller, conversation_id)
            answer, _ = message_log.find_last(tx, call.workspace_id, row_id(call.caller, conversation_id))
            if answer is None or message.id not in ("", str(answer.id)):
                raise Conflict(NOT_WAITING)
            after, goes_on = respond(tx, answer, given)
            if goes_on:
                self.queue.start(tx)
        return _stream(self.replayer.replay(answer, after=after, request_id=call.request_id))

    def resume_chat(self, call: Call) -> flask.Response | Reply:
        """Replay the conversation's running answer from its start and follow it to its end. 204 if none is running.

        With the header `Last-Event-ID`, continue after that event, even if the answer has ended since. If the answer
        is being written again, or has no such event, the stream begins with another `start`, which replaces all that
        came before.
        """
        conversation_id = _row_id(call)
        last_seen = call.request.headers.get("Last-Event-ID", "")
        after = int(last_seen) if re.fullmatch("[0-9]{1,9}", last_seen) else 0
        with self.database.transaction(call.workspace_id) as tx:
            answer, is_open = message_log.find_last(tx, call.workspace_id, conversation_id)
            if answer is None or not (is_open or (after and message_log.has_more(tx, answer, after))):
                return Reply(None, 204)
            if after and not message_log.has_more(tx, answer, after - 1):  # the event is of an earlier answer
                after = 0
        return _stream(self.replayer.replay(answer, after=after, request_id=call.request_id))

    def stop_chat(self, call: Call) -> Stopped:
        """Stop the conversation's running answer, or only the given one. The text written so far is kept."""
        with self.database.transaction(call.workspace_id) as tx:
            conversations.read_title(tx, call.caller, check_conversation_id(call.path["id"]))
            answer = message_log.find_running(tx, call.workspace_id, _row_id(call))
            if answer and call.args.answer not in (None, answer.id):
                answer = None
            try:
                if answer:
                    message_log.end(tx, answer, "stopped", Abort())
                    store.delete(tx, answer.workspace_id, answer.id)
                    if answer.is_waiting and self.queue.tickets:  # no step runs that would deliver it
                        self.queue.start(tx)
            except message_log.AnswerEnded:
                answer = None
        return Stopped(answer is not None)


def read_question(messages: Sequence[PostedMessage], max_chars: int) -> tuple[str, str]:
    """Return the id and text of the last message. Raises UnprocessableContent if it is not a user's question."""
    if not messages or messages[-1].role != "user":
        raise UnprocessableContent("The last message must be a question with the role `user`.")
    last = messages[-1]
    if any(part.get("type") == "file" for part in last.parts):
        raise UnprocessableContent("Questions can't contain files. Attach them first: `PUT /api/conversation-files`.")
    texts = [part.get("text") for part in last.parts if part.get("type") == "text"]
    text = "\n".join(text for text in texts if isinstance(text, str))
    return last.id, check_question(text, max_chars, "The question")


def _row_id(call: Call) -> str:
    return row_id(call.caller, check_conversation_id(call.path["id"]))


def _stream(events: Iterator[bytes]) -> flask.Response:
    return flask.Response(events, headers=HEADERS, content_type=CONTENT_TYPE)
