"""Routes of the files of a conversation: attach, list, read and delete them."""

import msgspec

from functions.collection.connectors.media_types import media_type
from functions.collection.conversation_files import conversation_files
from functions.collection.conversation_files.conversation_files import (
    Attachment,
    ConversationFile,
    ConversationFileList,
    ConversationFileText,
    Room,
)
from functions.collection.documents.parser_pool import parser_pool
from functions.collection.documents.store import document_rows, read_active_model
from functions.collection.documents.upload import check_key
from headwater import logs
from headwater.config import Settings
from headwater.connectors import Fetched
from headwater.conversations import ConversationId, check_conversation_id
from headwater.database.transactions import Database
from headwater.errors import PayloadTooLarge, UnprocessableContent
from headwater.file_store.contents import Contents
from headwater.file_store.places import Quota
from headwater.web.app import Call, Reply, Route
from headwater.web.limits import MAX_UPLOAD_BYTES

_WAIT_S = 5.0
"""How long a file waits for a process that parses it."""

MAX_NAME_CHARS = 200


class AttachQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The conversation, and the file's name, such as `report.pdf`. Its ending says how the file is read."""

    conversation_id: ConversationId
    name: str


class AttachedQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The conversation."""

    conversation_id: ConversationId


class ConversationFileRoutes:
    """The routes' handlers."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database = database
        self.settings = settings
        self.room = Room(settings.max_conversation_files, settings.max_conversation_bytes)
        self.parsers = parser_pool(settings)
        self.contents = Contents(database, settings)

    def routes(self) -> list[Route]:
        """Return the routes. They need an API key's scope `chat`, as the conversations do."""
        path = "/api/conversation-files"
        return [
            Route(
                "GET",
                path,
                self.list_conversation_files,
                "List a conversation's files",
                query=AttachedQuery,
                returns=ConversationFileList,
                scope="chat",
            ),
            Route(
                "PUT",
                path,
                self.attach_file,
                "Attach a file to a conversation",
                query=AttachQuery,
                raw_body=("application/octet-stream",),
                returns=ConversationFile,
                status=201,
                scope="chat",
                max_body_bytes=MAX_UPLOAD_BYTES,
                is_long=True,
            ),
            Route(
                "GET",
                f"{path}/<uuid:id>",
                self.get_conversation_file,
                "Get a conversation's file",
                returns=ConversationFileText,
                scope="chat",
            ),
            Route(
                "DELETE",
                f"{path}/<uuid:id>",
                self.delete_conversation_file,
                "Remove a file from a conversation",
                status=204,
                scope="chat",
            ),
        ]

    def list_conversation_files(self, call: Call) -> ConversationFileList:
        """List the files of one of the caller's conversations, oldest first. A new conversation has none."""
        conversation_id = check_conversation_id(call.args.conversation_id, "conversation_id")
        with self.database.transaction(call.workspace_id) as tx:
            return conversation_files.list_files(tx, call.caller, conversation_id)

    def attach_file(self, call: Call) -> ConversationFile:
        """Attach a file, whose bytes are the body, to a conversation of the caller, which may be new.

        It is read as the files of sources are. Only answers in this conversation are from it, its agents can read and
        change it, and it is deleted with the conversation. A file with the same name is replaced.
        """
        query: AttachQuery = call.args
        conversation_id = check_conversation_id(query.conversation_id, "conversation_id")
        _check_name(query.name)
        expected = Attachment(conversation_id, query.name, call.request.content_length or 0)
        with self.database.transaction(call.workspace_id) as tx:
            existed = conversation_files.check_room(tx, call.caller, expected, self.room)
            model = read_active_model(tx)
        limit = min(self.settings.max_uploaded_file_bytes, MAX_UPLOAD_BYTES)
        content = call.request.stream.read(limit + 1)
        if not content:
            raise UnprocessableContent("The file is empty.")
        if len(content) > limit:
            raise PayloadTooLarge(f"The file has more than {limit:,} bytes.")
        file = Fetched(query.name, content, media_type(query.name, content))
        rows = document_rows(self.parsers.parse(call.workspace_id, [file], model, wait_s=_WAIT_S), {query.name: ""})
        [document] = rows.documents
        if document["error"]:
            raise UnprocessableContent(f"{query.name}: {document['error'].rstrip('.')}.")
        if not rows.chunks:
            raise UnprocessableContent(f"{query.name}: no text was found in this file. Is it a scan?")
        [sha256] = self.contents.put(conversation_files.place_of(call.caller, conversation_id), [content])
        with self.database.transaction(call.workspace_id) as tx:
            new = expected._replace(bytes=len(content), sha256=sha256)
            quota = Quota.of(self.settings)
            added = conversation_files.add_file(tx, call.caller, new, rows, self.room, quota=quota, existed=existed)
        logs.event("conversation.file_attached", bytes=added.bytes, chunks=len(rows.chunks), kind=added.media_type)
        return added

    def get_conversation_file(self, call: Call) -> ConversationFileText:
        """Get a file of one of the caller's conversations, with its text."""
        with self.database.transaction(call.workspace_id) as tx:
            return conversation_files.read_file(tx, call.caller, call.path["id"])

    def delete_conversation_file(self, call: Call) -> Reply:
        """Remove a file, with all versions of it. Answers that cite it keep the cited passages."""
        with self.database.transaction(call.workspace_id) as tx:
            conversation_files.delete_file(tx, call.caller, call.path["id"])
        return Reply(status=204)


def _check_name(name: str) -> None:
    if len(name) > MAX_NAME_CHARS or "/" in name:
        raise UnprocessableContent(f"name: use a file name of at most {MAX_NAME_CHARS} characters, without folders.")
    check_key(name, "name")
