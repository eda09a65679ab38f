"""Open sources: give a connector its limits, config and secret. Delete what connectors staged."""

import uuid
from functools import partial

from sqlalchemy.engine import Connection

from functions.collection.connectors.confidential import ConfidentialReader
from functions.collection.connectors.registry import SourceReader, kind_of_source
from functions.collection.sources.credentials import Credentials
from headwater import logs
from headwater.config import Settings
from headwater.connectors import ConnectorContext
from headwater.database.transactions import after_commit
from headwater.errors import HeadwaterError
from headwater.queue.turns import HostTurns


class SourceOpener:
    """Opens sources for routes and steps. Each source stages blobs below a prefix of its own.

    `turns` shares the delays between requests to a host with other processes.
    """

    def __init__(self, settings: Settings, turns: HostTurns | None = None) -> None:
        self.settings = settings
        self._turns = turns

    def open(self, source: Credentials) -> SourceReader:
        """Open a source; raises UnprocessableContent if its kind is unknown or its config is invalid."""
        context = ConnectorContext(
            stage_prefix=_stage_prefix(source.source_id),
            file_prefix=file_prefix(source.source_id),
            files=source.files,
            period=source.period,
            blob_url=self.settings.blob_url,
            allow_private=self.settings.fetch_private,
            allow_file_urls=self.settings.fetch_file_urls,
            folders=self.settings.fetch_folders,
            max_file_bytes=self.settings.max_file_bytes,
            max_batch_bytes=self.settings.fetch_batch_bytes,
            max_source_bytes=self.settings.max_repo_bytes,
            timeout_s=self.settings.extension_timeout_s,
            user_agent=self.settings.user_agent,
            proxy=self.settings.fetch_proxy,
        )
        reader = kind_of_source(source.kind).open(context, source.config, source.token)
        reserve = partial(self._turns.reserve, source.workspace_id) if self._turns and source.workspace_id else None
        return ConfidentialReader(reader, source.token, reserve)

    def delete_staged(self, source_id: uuid.UUID) -> None:
        """Delete the blobs that a source has staged; raises UpstreamError."""
        from headwater.blobs import shared_blobs

        shared_blobs(self.settings.blob_url).delete_prefix(_stage_prefix(source_id))

    def delete_staged_after_commit(self, tx: Connection, source_id: uuid.UUID) -> None:
        """Delete a source's staged blobs once the transaction is committed.

        A failure is logged: the source's next run or the bucket's lifecycle rule deletes them.
        """
        after_commit(tx, partial(self._try_delete_staged, source_id))

    def delete_all_after_commit(self, tx: Connection, source_id: uuid.UUID) -> None:
        """Delete all blobs of a source once the transaction is committed, as `delete_staged_after_commit` does."""
        self.delete_staged_after_commit(tx, source_id)
        after_commit(tx, partial(self._try_delete_files, source_id))

    def _try_delete_files(self, source_id: uuid.UUID) -> None:
        from headwater.blobs import shared_blobs

        try:
            shared_blobs(self.settings.blob_url).delete_prefix(file_prefix(source_id))
        except HeadwaterError as error:
            logs.event("files.not_released", severity=30, error=error, source_id=source_id)

    def _try_delete_staged(self, source_id: uuid.UUID) -> None:
        try:
            self.delete_staged(source_id)
        except HeadwaterError as error:
            logs.event("stage.not_released", severity=30, error=error, source_id=source_id)


def file_prefix(source_id: uuid.UUID) -> str:
    """Return the prefix of the blobs of files that were uploaded to a source."""
    return f"uploads/{source_id}"


def _stage_prefix(source_id: uuid.UUID) -> str:
    return f"staged/{source_id}"
