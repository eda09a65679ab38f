"""The routes of conversations and of the feedback on their answers."""

from urllib.parse import quote

import flask
import msgspec

from functions.chat.conversations import conversation_list, conversations, feedback
from functions.chat.conversations.conversation_list import (
    ConversationChanges,
    ConversationList,
    ConversationQuery,
    ConversationSummary,
)
from functions.chat.conversations.conversations import (
    BranchChoice,
    Conversation,
    ConversationPathQuery,
)
from functions.chat.conversations.export import ExportQuery, file_name, to_markdown
from functions.chat.conversations.feedback import Feedback, FeedbackQuery, RatedQuestions
from functions.chat.streams.answer_queue import AnswerQueue
from headwater.conversations import check_conversation_id
from headwater.database.transactions import Database
from headwater.web.app import Call, Route


class ConversationRoutes:
    """Handlers of the caller's conversations. `queue` goes on with answers whose writer has died."""

    def __init__(self, database: Database, queue: AnswerQueue) -> None:
        self.database = database
        self.queue = queue

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route(
                "GET",
                "/api/conversations",
                self.list_conversations,
                "List conversations",
                query=ConversationQuery,
                returns=ConversationList,
            ),
            Route(
                "GET",
                "/api/conversations/<id>",
                self.get_conversation,
                "Get a conversation",
                query=ConversationPathQuery,
                returns=Conversation,
            ),
            Route(
                "PUT",
                "/api/conversations/<id>/branch",
                self.switch_branch,
                "Switch to another branch",
                body=BranchChoice,
                returns=Conversation,
            ),
            Route(
                "GET",
                "/api/conversations/<id>/export",
                self.export_conversation,
                "Export a conversation",
                query=ExportQuery,
                others=tuple((200, kind.partition(";")[0]) for kind in _CONTENT_TYPES.values()),
            ),
            Route(
                "PATCH",
                "/api/conversations/<id>",
                self.update_conversation,
                "Rename or pin a conversation",
                body=ConversationChanges,
                returns=ConversationSummary,
            ),
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

    def list_conversations(self, call: Call) -> ConversationList:
        """List the caller's conversations, pinned ones first, then latest first; optionally those with some words.

        Conversations are private to the caller who started them.
        """
        with self.database.transaction(call.workspace_id) as tx:
            return conversation_list.read_conversations(tx, call.caller, call.args)

    def get_conversation(self, call: Call) -> Conversation:
        """Get a conversation with the messages of its current path. An answer that is being written is not included.

        The messages are a tree: an edited question and another answer are versions beside the earlier ones. `versions`
        in the metadata of a message has their ids; with one of them as `at`, the path through it is returned.
        """
        conversation_id = check_conversation_id(call.path["id"])
        with self.database.transaction(call.workspace_id) as tx:
            return conversations.read_conversation(tx, call.caller, conversation_id, call.args.at, self.queue.rewrite)

    def switch_branch(self, call: Call) -> Conversation:
        """Make the path through a message the current one, and return it: down to the newest message below it."""
        conversation_id = check_conversation_id(call.path["id"])
        with self.database.transaction(call.workspace_id) as tx:
            conversations.choose_branch(tx, call.caller, conversation_id, call.body.message_id)
            return conversations.read_conversation(tx, call.caller, conversation_id)

    def export_conversation(self, call: Call) -> flask.Response:
        """Download a conversation as Markdown, with the passages that its answers cite, or as JSON, with everything.

        The JSON is that of `GET /api/conversations/{id}`. An answer that is still being written is not included.
        """
        query: ExportQuery = call.args
        conversation_id = check_conversation_id(call.path["id"])
        with self.database.transaction(call.workspace_id) as tx:
            conversation = conversations.read_conversation(tx, call.caller, conversation_id, query.at)
        is_json = query.format == "json"
        content = msgspec.json.encode(conversation) if is_json else to_markdown(conversation).encode()
        response = flask.Response(content, content_type=_CONTENT_TYPES[query.format])
        name = quote(file_name(conversation.title, query.format), safe="")
        response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{name}"
        response.headers["Cache-Control"] = "private, no-store"
        return response

    def update_conversation(self, call: Call) -> ConversationSummary:
        """Rename, pin or unpin a conversation. Omitted fields stay as they are."""
        conversation_id = check_conversation_id(call.path["id"])
        with self.database.transaction(call.workspace_id) as tx:
            return conversation_list.change_conversation(tx, call.caller, conversation_id, call.body)

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


_CONTENT_TYPES = {"markdown": "text/markdown; charset=utf-8", "json": "application/json"}
