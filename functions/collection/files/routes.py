"""Routes of uploaded files: upload, list, read, delete and restore them. Each change starts or queues a run."""

import uuid
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote

import flask
import msgspec
from sqlalchemy.engine import Connection

from functions.collection.connectors.media_types import media_type
from functions.collection.connectors.uploads.connector import blob_key
from functions.collection.documents.upload import check_key
from functions.collection.files import files
from functions.collection.files.files import FileList, FileQuery, NewVersion, UploadedFile
from functions.collection.runs.pause import is_paused
from functions.collection.runs.queued import start_or_queue_run
from functions.collection.sources.connect import file_prefix
from functions.collection.sources.sources import check_source
from headwater import logs
from headwater.config import Settings
from headwater.database.transactions import Database, after_commit
from headwater.errors import HeadwaterError, NotFound
from headwater.queue.tickets import Tickets
from headwater.web.app import Call, Route
from headwater.web.limits import MAX_UPLOAD_BYTES

if TYPE_CHECKING:
    from headwater.blobs import Blobs


class FilePath(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a file is, such as `manuals/pump.pdf`."""

    path: str


class ChangedFile(msgspec.Struct, frozen=True):
    """The current version of a file, and the run that collects it, or that one more run follows.

    `run_id` is null while the source is paused.
    """

    file: UploadedFile
    run_id: uuid.UUID | None


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
            Route("GET", f"{file}/content", self.get_file_content, "Get the content of an uploaded file"),
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
        content = call.request.stream.read(self.settings.max_file_bytes + 1)
        files.check_content(content, self.settings.max_file_bytes)
        version = files.new_version(query.path, content)
        self._blobs.put(blob_key(file_prefix(source_id), version.id.hex), content)
        with self.tickets.opening_run(call.workspace_id) as tx:
            stored = self._add(tx, call.workspace_id, source_id, version)
            unused = [] if stored.id == version.id else [version.id]
            expired = files.purge_versions(tx, source_id, self.settings.keep_deleted_days)
            after_commit(tx, partial(self._delete_blobs, source_id, [*unused, *expired]))
            return ChangedFile(stored, self._start(tx, call.workspace_id, source_id))

    def delete_files(self, call: Call) -> DeletedFiles:
        """Delete the file at `path`, or all files of a folder if it ends in `/`. They can be restored for some time."""
        query: FilePath = call.args
        with self.database.transaction(call.workspace_id) as tx:
            check_source(tx, call.workspace_id, call.path["id"])
        with self.tickets.opening_run(call.workspace_id) as tx:
            deleted = files.delete_files(tx, call.workspace_id, call.path["id"], query.path)
            return DeletedFiles(deleted, self._start(tx, call.workspace_id, call.path["id"]))

    def restore_file(self, call: Call) -> ChangedFile:
        """Make an earlier version of a file the current one, or a deleted file."""
        with self.database.transaction(call.workspace_id) as tx:
            files.read_file(tx, call.workspace_id, call.path["id"])
        with self.tickets.opening_run(call.workspace_id) as tx:
            restored = files.restore_version(tx, call.workspace_id, call.path["id"])
            return ChangedFile(restored, self._start(tx, call.workspace_id, restored.source_id))

    def get_file_content(self, call: Call) -> flask.Response:
        """Get the bytes of a version of a file."""
        with self.database.transaction(call.workspace_id) as tx:
            file = files.read_file(tx, call.workspace_id, call.path["id"])
        content = self._blobs.get(blob_key(file_prefix(file.source_id), file.id.hex))
        if content is None:
            raise NotFound(f"The content of {file.path} is not in the blob store any more. Upload the file again.")
        return _file_response(file, content)

    def _add(self, tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID, version: NewVersion) -> UploadedFile:
        """Store a version. Its content is deleted again if the source was deleted in the meantime."""
        try:
            return files.add_version(tx, workspace_id, source_id, version)
        except NotFound:
            self._delete_blobs(source_id, [version.id])
            raise

    def _start(self, tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID) -> uuid.UUID | None:
        if is_paused(tx, source_id):
            return None
        return start_or_queue_run(tx, workspace_id, source_id, "api")[0]

    def _delete_blobs(self, source_id: uuid.UUID, versions: list[uuid.UUID]) -> None:
        """Delete the content of versions. A failure is logged: blobs that stay are deleted with the source."""
        try:
            self._blobs.delete([blob_key(file_prefix(source_id), version.hex) for version in versions])
        except HeadwaterError as error:
            logs.event("files.not_released", severity=30, error=error, source_id=source_id)

    @property
    def _blobs(self) -> "Blobs":
        from headwater.blobs import shared_blobs

        return shared_blobs(self.settings.blob_url)


def _file_response(file: UploadedFile, content: bytes) -> flask.Response:
    """Return a file for display. With the Worker's security headers, it can't run scripts, nor load anything."""
    response = flask.Response(content, content_type=media_type(file.path, content))
    name = quote(file.path.rpartition("/")[2], safe="")
    response.headers["Content-Disposition"] = f"inline; filename*=UTF-8''{name}"
    response.headers["Cache-Control"] = "private, max-age=60"
    return response
