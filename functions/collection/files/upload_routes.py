"""Routes of uploads in parts: begin one, ask which parts have arrived, send parts, complete or delete it."""

import hashlib
import uuid
from contextlib import suppress
from functools import partial

from sqlalchemy.engine import Connection

from functions.collection.connectors.uploads.stored import blob_key
from functions.collection.documents.upload import check_key
from functions.collection.files import files, parts
from functions.collection.files.files import NewVersion, UploadedFile
from functions.collection.files.part_urls import missing_parts
from functions.collection.files.parts import FileUpload, NewUpload, UploadRow, blob_prefix, part_name
from functions.collection.files.versions import ChangedFile, Versions
from functions.collection.sources.connect import file_prefix
from headwater import logs
from headwater.config import Settings
from headwater.database.transactions import Database, after_commit
from headwater.errors import Conflict, HeadwaterError, NotFound, PayloadTooLarge, UnprocessableContent
from headwater.queue.tickets import Tickets
from headwater.web.app import Call, Reply, Route
from headwater.web.limits import MAX_UPLOAD_BYTES


class UploadRoutes:
    """The routes' handlers."""

    def __init__(self, database: Database, settings: Settings, tickets: Tickets) -> None:
        self.database = database
        self.settings = settings
        self.versions = Versions(settings, tickets)

    def routes(self) -> list[Route]:
        """Return the routes."""
        upload = "/api/uploads/<uuid:id>"
        return [
            Route(
                "POST",
                "/api/sources/<uuid:id>/uploads",
                self.begin_upload,
                "Begin an upload in parts",
                body=NewUpload,
                returns=FileUpload,
                status=201,
                access="editor",
            ),
            Route("GET", upload, self.get_upload, "Get an upload in parts", returns=FileUpload, access="editor"),
            Route(
                "PUT",
                f"{upload}/parts/<int:number>",
                self.upload_part,
                "Upload a part",
                raw_body=("application/octet-stream",),
                status=204,
                access="editor",
                max_body_bytes=MAX_UPLOAD_BYTES,
            ),
            Route(
                "POST",
                f"{upload}/complete",
                self.complete_upload,
                "Complete an upload in parts",
                returns=ChangedFile,
                status=202,
                access="editor",
                is_long=True,
            ),
            Route("DELETE", upload, self.delete_upload, "Delete an upload in parts", status=204, access="editor"),
        ]

    def begin_upload(self, call: Call) -> FileUpload:
        """Begin to upload a file in parts. Send the parts in `missing`, then complete the upload.

        The same file at the same path goes on with an upload under way, which has the parts that have arrived.
        """
        new: NewUpload = call.body
        check_key(new.path, "path")
        limit = self.settings.max_uploaded_file_bytes
        if new.bytes > limit:
            raise PayloadTooLarge(f"The file has {new.bytes:,} bytes, more than {limit:,} (MAX_UPLOADED_FILE_BYTES).")
        with self.database.transaction(call.workspace_id) as tx:
            files.check_room(tx, call.workspace_id, call.path["id"], new.bytes, self.settings.max_repo_bytes)
            row = parts.begin(
                tx, call.workspace_id, call.path["id"], new, max_source_bytes=self.settings.max_repo_bytes
            )
        return self._describe(row, call)

    def get_upload(self, call: Call) -> FileUpload:
        """Get the parts of an upload that have arrived, and the next ones to send, with new URLs."""
        return self._describe(self._read(call), call)

    def upload_part(self, call: Call) -> Reply:
        """Upload a part, whose bytes are the body. The same part again replaces it."""
        row, number = self._read(call), call.path["number"]
        if row.version_id is not None:
            raise Conflict("The upload is complete.")
        if not 1 <= number <= row.parts:
            raise NotFound(f"The upload has the parts 1 to {row.parts}.")
        size = row.part_bytes(number)
        content = call.request.stream.read(size + 1)
        if len(content) != size:
            more = "more" if len(content) > size else f"{len(content):,}"
            raise UnprocessableContent(f"Part {number} has {size:,} bytes; the body has {more}.")
        self.versions.blobs.put(f"{blob_prefix(row)}/{part_name(number)}", content)
        return Reply(status=204)

    def complete_upload(self, call: Call) -> ChangedFile:
        """Make the file of the uploaded parts the current version of its path. It is collected then.

        Repeat the request if its answer is lost. Fails while parts are missing, if the source has no room any more, and
        if the file hasn't the SHA-256 that was named: then the parts are deleted.
        """
        row = self._read(call)
        if row.version_id is None and (version := self._join(row)):
            with suppress(NotFound):  # another request has completed or deleted it
                return self.versions.publish(row.workspace_id, row.source_id, version, partial(self._finish, row))
        row = self._read(call)  # it may be complete by now
        if row.version_id is None:
            raise Conflict("Parts of the upload are missing. Get the upload, and send the missing parts.")
        with self.versions.tickets.opening_run(call.workspace_id) as tx:
            file = files.read_file(tx, row.workspace_id, row.version_id)
            return ChangedFile(file, self.versions.start_run(tx, row.workspace_id, row.source_id))

    def delete_upload(self, call: Call) -> Reply:
        """Delete an upload, with the parts that have arrived."""
        row = self._read(call)
        with self.database.transaction(call.workspace_id) as tx:
            parts.delete_upload(tx, row.id)
            after_commit(tx, partial(self._delete_parts, row))
        return Reply(status=204)

    def _read(self, call: Call) -> UploadRow:
        with self.database.transaction(call.workspace_id) as tx:
            return parts.read_upload(tx, call.workspace_id, call.path["id"])

    def _describe(self, row: UploadRow, call: Call) -> FileUpload:
        sizes = self.versions.blobs.sizes(blob_prefix(row)) if row.version_id is None else {}
        is_complete = row.version_id is not None
        received = list(range(1, row.parts + 1)) if is_complete else row.received(sizes)
        origin = call.request.headers.get("Origin", "")
        blobs = self.versions.blobs
        missing = missing_parts(self.settings.blob_url, blobs, blob_prefix(row), row, received, origin=origin)
        shown = {name: getattr(row, name) for name in ("id", "source_id", "path", "bytes", "sha256", "expires_at")}
        return FileUpload(**shown, parts=row.parts, received=received, missing=missing)

    def _join(self, row: UploadRow) -> NewVersion | None:
        """Store the parts as the content of a new version. Returns None if parts are missing.

        Raises UnprocessableContent if the content has another SHA-256 than the upload.
        """
        sizes = self.versions.blobs.sizes(blob_prefix(row))
        if len(row.received(sizes)) < row.parts:
            return None
        version, hashed = uuid.uuid4(), hashlib.sha256()
        keys = (f"{blob_prefix(row)}/{part_name(number)}" for number in range(1, row.parts + 1))
        if not self.versions.blobs.join(keys, blob_key(file_prefix(row.source_id), version.hex), hashed.update):
            self.versions.delete_contents(row.source_id, [version])
            return None
        if hashed.hexdigest() != row.sha256:
            self.versions.delete_contents(row.source_id, [version])
            self._delete_parts(row)
            raise UnprocessableContent(
                f"The uploaded parts have the SHA-256 {hashed.hexdigest()}, not {row.sha256}. Send all parts again."
            )
        return NewVersion(version, row.path, row.bytes, row.sha256)

    def _finish(self, row: UploadRow, tx: Connection, file: UploadedFile) -> None:
        if not parts.mark_complete(tx, row.id, file.id):
            raise NotFound(f"Upload not found: {row.id}.")
        # Other files may have taken the room that there was when the upload began. The new version is counted.
        files.check_room(tx, row.workspace_id, row.source_id, 0, self.settings.max_repo_bytes)
        after_commit(tx, partial(self._delete_parts, row))
        logs.event("upload.completed", source_id=row.source_id, bytes=row.bytes, parts=row.parts)

    def _delete_parts(self, row: UploadRow) -> None:
        """Delete an upload's parts. A failure is logged: the tick deletes them later, or they go with the source."""
        try:
            self.versions.blobs.delete_prefix(blob_prefix(row))
        except HeadwaterError as error:
            logs.event("files.not_released", severity=30, error=error, source_id=row.source_id)
