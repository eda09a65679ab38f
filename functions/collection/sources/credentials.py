"""Credentials of a source: its config and token, decrypted. Tokens are stored encrypted with `SECRET_KEY`."""

import uuid
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater.config import Settings
from headwater.connectors import Period
from headwater.encryption import decrypt_token, encrypt_token
from headwater.queue.providers import credential_of


@dataclass(frozen=True)
class Credentials:
    """How to reach a source: its stored config and its token. `snapshot` is the one that the run is pinned to.

    `files` are those that were uploaded to it, as path and version, and `period` the days to list; only a listing needs
    them. `workspace_id` is None for a source that isn't stored yet.
    """

    source_id: uuid.UUID
    kind: str
    config: dict[str, Any]
    token: str | None
    snapshot: str | None
    files: tuple[tuple[str, str], ...] = ()
    workspace_id: uuid.UUID | None = None
    period: Period | None = None


def read_credentials(tx: Connection, run_id: uuid.UUID, settings: Settings) -> Credentials:
    """Read the credentials of a run's source."""
    row = tx.execute(_CREDENTIALS, {"run_id": run_id}).one()
    token = decrypt_token(row.token, settings) if row.token else None
    return Credentials(row.source_id, row.kind, row.config, token, row.snapshot, workspace_id=row.workspace_id)


def store_token(token: str | None, workspace_id: uuid.UUID, settings: Settings) -> dict[str, Any]:
    """Return the columns of a source that hold its token: the token itself, encrypted, and the hash that names it.

    Raises UnprocessableContent if the installation has no `SECRET_KEY`.
    """
    if not token:
        return {"token": None, "credential": None}
    credential = credential_of(token, workspace_id, settings.secret_key)
    return {"token": encrypt_token(token, settings), "credential": credential}


_CREDENTIALS = sa.text("""
    select r.source_id, r.workspace_id, s.kind, s.config, s.token, r.snapshot
    from runs r join sources s on s.id = r.source_id where r.id = :run_id
""")
