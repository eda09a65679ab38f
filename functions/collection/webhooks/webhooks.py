"""Webhooks of sources: create and remove them, and start runs for their deliveries.

A delivery starts a `collect` run, or queues one behind the open run (`runs.queued`). It is recorded in the transaction
that does so, so that a repetition changes nothing.
"""

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.collection.connectors.registry import BuiltInKind, find_kind
from functions.collection.runs.pause import is_paused
from functions.collection.runs.queued import start_or_queue_run
from functions.collection.webhooks.signatures import Delivery
from headwater.auth.webhook_signatures import make_secret
from headwater.config import Settings
from headwater.database.transactions import ALL_WORKSPACES, Database
from headwater.encryption import decrypt_token, encrypt_token
from headwater.errors import NotFound


class CreatedWebhook(msgspec.Struct, frozen=True):
    """A webhook: the path to send deliveries to, and the secret, which is returned only once."""

    path: str
    secret: str


class DeliveryResult(msgspec.Struct, frozen=True):
    """What a delivery did.

    It `started` the run `run_id`. Or the open run `run_id` collects the change, or one more run that follows it
    (`queued`). Or it did nothing: it is a `duplicate` of an earlier delivery, a `ping`, `unrelated` such as a push to
    another branch, or the source is `paused`.
    """

    result: Literal["started", "queued", "duplicate", "ping", "unrelated", "paused"]
    run_id: uuid.UUID | None = None


@dataclass(frozen=True)
class WebhookSource:
    """A source with a webhook, and the webhook's secret."""

    id: uuid.UUID
    workspace_id: uuid.UUID
    kind: str
    config: Mapping[str, Any]
    secret: str
    now: dt.datetime


def create_webhook(
    tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID, settings: Settings
) -> tuple[str, CreatedWebhook]:
    """Give a source a webhook, or its webhook a new secret. Returns the source's name and the webhook.

    Raises NotFound, or UnprocessableContent if the installation has no `SECRET_KEY`.
    """
    secret = make_secret()
    values = {"id": source_id, "workspace_id": workspace_id, "secret": encrypt_token(secret, settings)}
    name: str | None = tx.execute(_SET_SECRET, values).scalar_one_or_none()
    if name is None:
        raise NotFound(f"Source not found: {source_id}.")
    return name, CreatedWebhook(f"/api/hooks/{source_id}", secret)


def remove_webhook(tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID) -> str:
    """Remove the webhook of a source, if it has one. Returns the source's name. Raises NotFound."""
    values = {"id": source_id, "workspace_id": workspace_id, "secret": None}
    name: str | None = tx.execute(_SET_SECRET, values).scalar_one_or_none()
    if name is None:
        raise NotFound(f"Source not found: {source_id}.")
    return name


def find_webhook(database: Database, source_id: uuid.UUID, settings: Settings) -> WebhookSource:
    """Find a source with a webhook in all workspaces. Raises NotFound, also for a source without a webhook."""
    with database.transaction(ALL_WORKSPACES) as tx:
        workspace_id = tx.execute(sa.text("select workspace_of_source(:id)"), {"id": source_id}).scalar_one()
    row = None
    if workspace_id is not None:
        with database.transaction(workspace_id) as tx:
            row = tx.execute(_FIND, {"id": source_id}).one_or_none()
    if row is None:
        raise NotFound("There is no such webhook. Copy its address from the page of the source again.")
    secret = decrypt_token(row.webhook_secret, settings)
    return WebhookSource(source_id, row.workspace_id, row.kind, row.config, secret, row.now)


def is_related(source: WebhookSource, body: bytes) -> bool:
    """Return False if the event in a delivery's body can't have changed the source, as its connector says."""
    kind = find_kind(source.kind)
    return kind.is_related(source.config, body) if isinstance(kind, BuiltInKind) else True


def receive(tx: Connection, source: WebhookSource, delivery: Delivery) -> DeliveryResult:
    """Record a delivery and start or queue a run, in a transaction of the source's workspace."""
    values = {"source_id": source.id, "workspace_id": source.workspace_id, "delivery": delivery.id}
    if is_paused(tx, source.id):
        return DeliveryResult("paused")
    tx.execute(_FORGET, values)
    if not tx.execute(_RECORD, values).rowcount:
        return DeliveryResult("duplicate")
    tx.execute(_SET_RECEIVED, values)
    run_id, is_new = start_or_queue_run(tx, source.workspace_id, source.id, "webhook")
    return DeliveryResult("started" if is_new else "queued", run_id)


def is_recorded(tx: Connection, source: WebhookSource, delivery: Delivery) -> bool:
    """Return True if a delivery has come before."""
    return bool(tx.execute(_IS_RECORDED, {"source_id": source.id, "delivery": delivery.id}).scalar_one())


def record(tx: Connection, source: WebhookSource, delivery: Delivery) -> None:
    """Record a delivery, in the transaction that stores what it has brought."""
    values = {"source_id": source.id, "workspace_id": source.workspace_id, "delivery": delivery.id}
    for statement in (_FORGET, _RECORD, _SET_RECEIVED):
        tx.execute(statement, values)


_SET_SECRET = sa.text("""
    update sources set webhook_secret = cast(:secret as bytea), webhook_received_at = null
    where id = :id and workspace_id = :workspace_id returning name
""")

_FIND = sa.text("""
    select workspace_id, kind, config, webhook_secret, now() as now from sources
    where id = :id and webhook_secret is not null
""")

# A repetition after this time starts a run.
_FORGET = sa.text("""
    delete from webhook_deliveries where source_id = :source_id and received_at < now() - interval '1 day'
""")

_RECORD = sa.text("""
    insert into webhook_deliveries (source_id, workspace_id, id) values (:source_id, :workspace_id, :delivery)
    on conflict do nothing
""")

_IS_RECORDED = sa.text("""
    select exists (select 1 from webhook_deliveries where source_id = :source_id and id = :delivery)
""")

_SET_RECEIVED = sa.text("update sources set webhook_received_at = now() where id = :source_id")
