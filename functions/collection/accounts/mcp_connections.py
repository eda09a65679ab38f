"""End the connections to MCP servers of a person who leaves: delete their tokens, and revoke them in the background.

The requests that revoke are stored with each connection. The tick sends them, five times at most.
"""

import time
import uuid
from collections.abc import Iterator, Sequence

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater import logs
from headwater.config import Settings
from headwater.database.transactions import ALL_WORKSPACES, Database
from headwater.encryption import decrypt_token
from headwater.errors import HeadwaterError, PermanentError, SystemicError, UpstreamError
from headwater.outbound.revocations import Revocation, send

SWEEP_S = 10.0
"""Time for revocations in one tick, after which no other begins."""

MAX_ATTEMPTS = 5
RETRY_S = 3_600
_BATCH = 50


def end_connections(tx: Connection, workspace_id: uuid.UUID, subjects: Sequence[str]) -> None:
    """Delete the tokens of servers that these people have connected last: agents use them with that person's rights."""
    values = {"workspace_id": workspace_id, "subjects": list(subjects)}
    tx.execute(_REVOKE_LATER, values)
    tx.execute(_DISCONNECT, values)


def revoke_due(database: Database, settings: Settings, for_s: float = SWEEP_S) -> int:
    """Send the revocations that are due, for about `for_s`. Returns how many were sent. Failures are logged."""
    until = time.monotonic() + for_s
    with database.transaction(ALL_WORKSPACES) as tx:
        due = tx.execute(_DUE, {"limit": _BATCH}).all()
    sent = 0
    for row in due:
        if time.monotonic() > until:
            break
        sent += _revoke(database, settings, row.workspace_id, row.id)
    return sent


def _revoke(database: Database, settings: Settings, workspace_id: uuid.UUID, revocation_id: uuid.UUID) -> bool:
    """Send the requests of a revocation, unless another tick does. Returns whether all were accepted."""
    values = {"workspace_id": workspace_id, "id": revocation_id, "retry_s": RETRY_S}
    with database.transaction(workspace_id) as tx:
        claimed = tx.execute(_CLAIM, values).one_or_none()
    if claimed is None:
        return False
    errors = list(_send_all(claimed.requests, settings))
    for error in errors:
        logs.event("mcp_server.revocation_failed", severity=30, error=error, attempts=claimed.attempts)
    if claimed.attempts >= MAX_ATTEMPTS or not any(isinstance(error, UpstreamError) for error in errors):
        with database.transaction(workspace_id) as tx:
            tx.execute(_DELETE, values)
    return not errors


def _send_all(encrypted: bytes, settings: Settings) -> Iterator[HeadwaterError]:
    """Send the requests, up to one that can be tried again. Yields the errors: each refusal is of one token."""
    from headwater.outbound.guarded_http import guarded_http

    try:
        requests = msgspec.json.decode(decrypt_token(encrypted, settings), type=list[Revocation])
    except SystemicError as error:
        yield error
        return
    client = guarded_http(
        allow_private=settings.fetch_private, user_agent=settings.user_agent, proxy=settings.fetch_proxy
    )
    for request in requests:
        try:
            send(client, request)
        except PermanentError as error:
            yield error
        except UpstreamError as error:
            yield error
            return


# Of the person who has connected a server last.
_THEIRS = """
    s.workspace_id = :workspace_id and s.oauth is not null and (
      select a.actor from audit_log a
      where a.workspace_id = :workspace_id and a.action = 'mcp_server.connected' and a.target = s.id::text
      order by a.id desc limit 1) = any(cast(:subjects as text[]))
"""

_REVOKE_LATER = sa.text(f"""
    insert into mcp_revocations (workspace_id, requests)
    select s.workspace_id, s.revocations from mcp_servers s where {_THEIRS} and s.revocations is not null
""")

_DISCONNECT = sa.text(f"""
    update mcp_servers s set oauth = null, revocations = null, is_connected = false, missing_scopes = '{{}}'
    where {_THEIRS}
""")

_DUE = sa.text("select id, workspace_id from due_mcp_revocations(cast(:limit as integer))")

# A tick that dies has used an attempt.
_CLAIM = sa.text("""
    update mcp_revocations set attempts = attempts + 1, not_before = now() + make_interval(secs => :retry_s)
    where workspace_id = :workspace_id and id = :id and not_before <= now() returning requests, attempts
""")

_DELETE = sa.text("delete from mcp_revocations where workspace_id = :workspace_id and id = :id")
