"""Routes of webhooks: give a source one, remove it, receive deliveries."""

from sqlalchemy.exc import IntegrityError

from functions.collection.webhooks import webhooks
from functions.collection.webhooks.signatures import verify
from functions.collection.webhooks.webhooks import CreatedWebhook, DeliveryResult
from headwater import logs
from headwater.auth import audit_log
from headwater.config import Settings
from headwater.database.transactions import Database
from headwater.errors import NotFound, PayloadTooLarge
from headwater.queue.tickets import Tickets
from headwater.web.app import Call, Route
from headwater.web.limits import MAX_BODY_BYTES


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
                returns=DeliveryResult,
                status=202,
                access="signed",
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
