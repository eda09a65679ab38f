"""Make a stored content the current version of an uploaded file, and start the run that collects it."""

import uuid
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy.engine import Connection

from functions.collection.connectors.uploads.stored import blob_key
from functions.collection.files import files
from functions.collection.files.files import NewVersion, UploadedFile
from functions.collection.runs.pause import is_paused
from functions.collection.runs.queued import start_or_queue_run
from functions.collection.sources.connect import file_prefix
from headwater import logs
from headwater.config import Settings
from headwater.database.transactions import after_commit
from headwater.errors import HeadwaterError, UserError
from headwater.queue.tickets import Tickets

if TYPE_CHECKING:
    from headwater.blobs import Blobs


class ChangedFile(msgspec.Struct, frozen=True):
    """The current version of a file, and the run that collects it, or that one more run follows.

    `run_id` is null while the source is paused.
    """

    file: UploadedFile
    run_id: uuid.UUID | None


class Versions:
    """Publishes versions of files, whose contents are blobs."""

    def __init__(self, settings: Settings, tickets: Tickets) -> None:
        self.settings = settings
        self.tickets = tickets

    def publish(
        self,
        workspace_id: uuid.UUID,
        source_id: uuid.UUID,
        version: NewVersion,
        also: Callable[[Connection, UploadedFile], None] = lambda _tx, _file: None,
    ) -> ChangedFile:
        """Make a version the current one of its path, and delete expired ones. `also` is done in the transaction.

        The version's content is deleted again if the path has the same one, or if the request is refused.
        """

        def add(tx: Connection) -> list[UploadedFile]:
            stored = files.add_version(tx, workspace_id, source_id, version)
            also(tx, stored)
            return [stored]

        return self._publish(workspace_id, source_id, [version], add)

    def publish_message(
        self,
        workspace_id: uuid.UUID,
        source_id: uuid.UUID,
        message: NewVersion,
        attached: Sequence[NewVersion],
        *,
        folder: str,
        also: Callable[[Connection], None],
    ) -> ChangedFile:
        """Make a message and its attached files current, as `publish` does. Other files in their folder are deleted."""

        def add(tx: Connection) -> list[UploadedFile]:
            stored = files.add_version(tx, workspace_id, source_id, message)
            also(tx)
            return [stored, *files.replace_folder(tx, workspace_id, source_id, folder, attached)]

        return self._publish(workspace_id, source_id, [message, *attached], add)

    def _publish(
        self,
        workspace_id: uuid.UUID,
        source_id: uuid.UUID,
        versions: Sequence[NewVersion],
        add: Callable[[Connection], list[UploadedFile]],
    ) -> ChangedFile:
        ids = [version.id for version in versions]
        try:
            with self.tickets.opening_run(workspace_id) as tx:
                stored = add(tx)
                unused = [*{*ids} - {file.id for file in stored}]
                expired = files.purge_versions(tx, source_id, self.settings.keep_deleted_days)
                after_commit(tx, partial(self.delete_contents, source_id, [*unused, *expired]))
                return ChangedFile(stored[0], self.start_run(tx, workspace_id, source_id))
        except UserError:
            self.delete_contents(source_id, ids)
            raise

    def start_run(self, tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID) -> uuid.UUID | None:
        """Start the run that collects a source, or queue one more; None while the source is paused."""
        if is_paused(tx, source_id):
            return None
        return start_or_queue_run(tx, workspace_id, source_id, "api")[0]

    def delete_contents(self, source_id: uuid.UUID, versions: list[uuid.UUID]) -> None:
        """Delete the content of versions. A failure is logged: blobs that stay are deleted with the source."""
        try:
            self.blobs.delete([blob_key(file_prefix(source_id), version.hex) for version in versions])
        except HeadwaterError as error:
            logs.event("files.not_released", severity=30, error=error, source_id=source_id)

    @property
    def blobs(self) -> "Blobs":
        """The blob store."""
        from headwater.blobs import shared_blobs

        return shared_blobs(self.settings.blob_url)
