"""Routes of webhooks: give a source one, remove it, receive deliveries."""

import uuid
from collections.abc import Callable
from typing import Literal

import msgspec
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from functions.collection.connectors.uploads.stored import blob_key
from functions.collection.files import files
from functions.collection.files.versions import ChangedFile, Versions
from functions.collection.sources.connect import file_prefix
from functions.collection.webhooks import webhooks
from functions.collection.webhooks.attachments import attachment_path, read_attachments, with_links
from functions.collection.webhooks.mail import FORMS, file_path, read_message
from functions.collection.webhooks.signatures import verify
from functions.collection.webhooks.webhooks import CreatedWebhook, DeliveryResult, WebhookSource
from headwater import logs
from headwater.auth import audit_log
from headwater.config import Settings
from headwater.database.transactions import Database
from headwater.errors import NotFound, PayloadTooLarge
from headwater.queue.tickets import Tickets
from headwater.web.app import Call, Route
from headwater.web.limits import MAX_BODY_BYTES, MAX_UPLOAD_BYTES


class ReceivedMail(msgspec.Struct, frozen=True):
    """What became of a message: it was `stored` at a path, or the delivery is a `duplicate` of an earlier one.

    `run_id` collects it, or one more run follows that one; null while the source is paused.
    """

    result: Literal["stored", "duplicate"]
    path: str
    run_id: uuid.UUID | None = None


class WebhookRoutes:
    """The routes' handlers."""

    def __init__(self, database: Database, settings: Settings, tickets: Tickets) -> None:
        self.database = database
        self.settings = settings
        self.tickets = tickets

    def routes(self) -> list[Route]:
        """Return the routes."""
        webhook = "/api/sources/<uuid:id>/webhook"
        return [
            Route(
                "POST",
                webhook,
                self.create_webhook,
                "Create a webhook or renew its secret",
                returns=CreatedWebhook,
                status=201,
                access="editor",
            ),
            Route("DELETE", webhook, self.remove_webhook, "Remove a webhook", status=204, access="editor"),
            Route(
                "POST",
                "/api/hooks/<uuid:id>",
                self.receive_delivery,
                "Receive a webhook's delivery",
                raw_body=("*/*",),
                returns=DeliveryResult,
                status=202,
                access="signed",
            ),
            Route(
                "POST",
                "/api/hooks/<uuid:id>/mail",
                self.receive_mail,
                "Receive a message of a mail provider",
                raw_body=("message/rfc822", "application/json", *FORMS),
                returns=ReceivedMail,
                status=202,
                access="signed",
                max_body_bytes=MAX_UPLOAD_BYTES,
            ),
        ]

    def create_webhook(self, call: Call) -> CreatedWebhook:
        """Create the webhook of a source. If it has one, its secret is replaced, and the old one is invalid at once."""
        with self.database.transaction(call.workspace_id) as tx:
            name, created = webhooks.create_webhook(tx, call.workspace_id, call.path["id"], self.settings)
            audit_log.record(tx, call.caller, "source.webhook_created", call.path["id"], name=name)
        return created

    def remove_webhook(self, call: Call) -> None:
        """Remove the webhook of a source. Its deliveries get 404 from now on."""
        with self.database.transaction(call.workspace_id) as tx:
            name = webhooks.remove_webhook(tx, call.workspace_id, call.path["id"])
            audit_log.record(tx, call.caller, "source.webhook_removed", call.path["id"], name=name)

    def receive_delivery(self, call: Call) -> DeliveryResult:
        """Collect the source that the delivery of a webhook is for. The signature authenticates it, not a token.

        GitHub's signatures are accepted, GitLab's tokens, and those of Standard Webhooks. While a run of the source is
        open, one more run follows it, however many deliveries come.
        """
        source = webhooks.find_webhook(self.database, call.path["id"], self.settings)
        body = call.request.stream.read(MAX_BODY_BYTES + 1)
        if len(body) > MAX_BODY_BYTES:
            raise PayloadTooLarge(
                f"The delivery has more than {MAX_BODY_BYTES:,} bytes. Choose fewer events at the server that sends it."
            )
        delivery = verify(dict(call.request.headers), body, source.secret, source.now)
        if delivery.is_ping or not webhooks.is_related(source, body):
            return DeliveryResult("ping" if delivery.is_ping else "unrelated")
        try:
            with self.tickets.opening_run(source.workspace_id) as tx:
                result = webhooks.receive(tx, source, delivery)
        except IntegrityError as error:  # the source was deleted in the meantime
            raise NotFound("The source of this webhook was deleted.") from error
        logs.event("webhook", source_id=source.id, result=result.result, run_id=result.run_id)
        return result

    def receive_mail(self, call: Call) -> ReceivedMail:
        """Store a message and its attached documents as files of a source of the kind `uploads`, and collect them.

        The signature authenticates the delivery. Its body is the message, or what SendGrid, Mailgun or Postmark send if
        they are set to send the whole message. A message that comes again replaces the one with its `Message-ID`.
        """
        source = webhooks.find_webhook(self.database, call.path["id"], self.settings)
        limit = min(self.settings.max_file_bytes, MAX_UPLOAD_BYTES)
        body = call.request.stream.read(limit + 1)
        if len(body) > limit:
            raise PayloadTooLarge(f"The message has more than {limit:,} bytes (MAX_FILE_BYTES).")
        delivery = verify(dict(call.request.headers), body, source.secret, source.now)
        message = read_message(body, call.request.headers.get("Content-Type", ""))
        path = file_path(message)
        with self.database.transaction(source.workspace_id) as tx:
            if webhooks.is_recorded(tx, source, delivery):
                return ReceivedMail("duplicate", path)
            files.check_room(tx, source.workspace_id, source.id, 2 * len(message), self.settings.max_repo_bytes)
        changed = self._store_mail(source, message, path, lambda tx: webhooks.record(tx, source, delivery))
        logs.event("webhook.mail", source_id=source.id, run_id=changed.run_id)
        return ReceivedMail("stored", path, changed.run_id)

    def _store_mail(
        self, source: WebhookSource, message: bytes, path: str, also: Callable[[Connection], None]
    ) -> ChangedFile:
        """Store a message and its attached documents as files, and start the run that collects them."""
        attached = read_attachments(message)
        contents = {path: with_links(message, path, attached)}
        contents |= {attachment_path(path, one.name): one.content for one in attached}
        new = [files.new_version(name, content) for name, content in contents.items()]
        versions = Versions(self.settings, self.tickets)
        prefix = file_prefix(source.id)
        versions.blobs.put_all((blob_key(prefix, one.id.hex), contents[one.path]) for one in new)
        folder = attachment_path(path, "")
        return versions.publish_message(source.workspace_id, source.id, new[0], new[1:], folder=folder, also=also)
