"""Routes of uploaded files: upload, list, read, delete and restore them. Each change starts or queues a run."""

import uuid
from urllib.parse import quote

import flask
import msgspec

from functions.collection.connectors.media_types import media_type
from functions.collection.connectors.uploads.stored import blob_key
from functions.collection.documents.upload import check_key
from functions.collection.files import files
from functions.collection.files.files import FileList, FileQuery, UploadedFile
from functions.collection.files.versions import ChangedFile, Versions
from functions.collection.sources.connect import file_prefix
from functions.collection.sources.sources import check_source
from headwater.config import Settings
from headwater.database.transactions import Database
from headwater.errors import NotFound
from headwater.queue.tickets import Tickets
from headwater.web.app import Call, Route
from headwater.web.limits import MAX_UPLOAD_BYTES


class FilePath(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a file is, such as `manuals/pump.pdf`."""

    path: str


class DeletedFiles(msgspec.Struct, frozen=True):
    """How many files were deleted, and the run that removes their documents, or that one more run follows."""

    deleted: int
    run_id: uuid.UUID | None


class FileRoutes:
    """The routes' handlers."""

    def __init__(self, database: Database, settings: Settings, tickets: Tickets) -> None:
        self.database = database
        self.settings = settings
        self.tickets = tickets
        self.versions = Versions(settings, tickets)

    def routes(self) -> list[Route]:
        """Return the routes."""
        source_files, file = "/api/sources/<uuid:id>/files", "/api/files/<uuid:id>"
        return [
            Route("GET", source_files, self.list_files, "List uploaded files", query=FileQuery, returns=FileList),
            Route(
                "PUT",
                source_files,
                self.upload_file,
                "Upload a file",
                query=FilePath,
                raw_body=("application/octet-stream",),
                returns=ChangedFile,
                status=202,
                access="editor",
                max_body_bytes=MAX_UPLOAD_BYTES,
            ),
            Route(
                "DELETE",
                source_files,
                self.delete_files,
                "Delete an uploaded file or folder",
                query=FilePath,
                returns=DeletedFiles,
                status=202,
                access="editor",
            ),
            Route(
                "GET",
                f"{file}/content",
                self.get_file_content,
                "Get the content of an uploaded file",
                others=((200, "*/*"),),
            ),
            Route(
                "POST",
                f"{file}/restore",
                self.restore_file,
                "Restore a version of a file",
                returns=ChangedFile,
                status=202,
                access="editor",
            ),
        ]

    def list_files(self, call: Call) -> FileList:
        """List the files of a source by path, optionally those below `path`; or their versions, newest first."""
        with self.database.transaction(call.workspace_id) as tx:
            check_source(tx, call.workspace_id, call.path["id"])
            return files.list_files(tx, call.path["id"], call.args)

    def upload_file(self, call: Call) -> ChangedFile:
        """Upload a file, whose bytes are the body. It replaces the file at its path; the same bytes change nothing.

        The source is collected then. While it is, one more run follows, however many files are uploaded.
        """
        query: FilePath = call.args
        source_id = call.path["id"]
        with self.database.transaction(call.workspace_id) as tx:
            size = call.request.content_length or 0
            files.check_room(tx, call.workspace_id, source_id, size, self.settings.max_repo_bytes)
        check_key(query.path, "path")
        limit = min(self.settings.max_uploaded_file_bytes, MAX_UPLOAD_BYTES)
        content = call.request.stream.read(limit + 1)
        files.check_content(content, self.settings.max_uploaded_file_bytes)
        version = files.new_version(query.path, content)
        self.versions.blobs.put(blob_key(file_prefix(source_id), version.id.hex), content)
        return self.versions.publish(call.workspace_id, source_id, version)

    def delete_files(self, call: Call) -> DeletedFiles:
        """Delete the file at `path`, or all files of a folder if it ends in `/`. They can be restored for some time."""
        query: FilePath = call.args
        with self.database.transaction(call.workspace_id) as tx:
            check_source(tx, call.workspace_id, call.path["id"])
        with self.tickets.opening_run(call.workspace_id) as tx:
            deleted = files.delete_files(tx, call.workspace_id, call.path["id"], query.path)
            return DeletedFiles(deleted, self.versions.start_run(tx, call.workspace_id, call.path["id"]))

    def restore_file(self, call: Call) -> ChangedFile:
        """Make an earlier version of a file the current one, or a deleted file."""
        with self.database.transaction(call.workspace_id) as tx:
            files.read_file(tx, call.workspace_id, call.path["id"])
        with self.tickets.opening_run(call.workspace_id) as tx:
            restored = files.restore_version(tx, call.workspace_id, call.path["id"])
            return ChangedFile(restored, self.versions.start_run(tx, call.workspace_id, restored.source_id))

    def get_file_content(self, call: Call) -> flask.Response:
        """Get the bytes of a version of a file."""
        with self.database.transaction(call.workspace_id) as tx:
            file = files.read_file(tx, call.workspace_id, call.path["id"])
        content = self.versions.blobs.get(blob_key(file_prefix(file.source_id), file.id.hex))
        if content is None:
            raise NotFound(f"The content of {file.path} is not in the blob store any more. Upload the file again.")
        return _file_response(file, content)


def _file_response(file: UploadedFile, content: bytes) -> flask.Response:
    """Return a file for display. With the Worker's security headers, it can't run scripts, nor load anything."""
    response = flask.Response(content, content_type=media_type(file.path, content))
    name = quote(file.path.rpartition("/")[2], safe="")
    response.headers["Content-Disposition"] = f"inline; filename*=UTF-8''{name}"
    response.headers["Cache-Control"] = "private, max-age=60"
    return response
