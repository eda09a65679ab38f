"""The step `send_mail`: send an answer by SMTP to one address.

A mail is sent at most once, unless the result of a sending is unknown: the process has died, or the connection has
broken, after its content was sent and before the server's reply was stored. Then it is sent again with the same
Message-ID, and the delivery says so.
"""

import datetime as dt
import uuid
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy.engine import Connection

from functions.chat.standing import standing_runs
from functions.chat.standing.delivery.answered import read_answered
from functions.chat.standing.delivery.mail_message import compose_mail
from functions.chat.standing.delivery.recipients import NO_SERVER, check_recipients
from functions.chat.standing.delivery.smtp import MailDeferred, MailRefused, read_server, send_mail
from headwater.config import Settings
from headwater.database.transactions import Database
from headwater.errors import PermanentError
from headwater.outbound.sockets import tls_context
from headwater.queue.ledger import Step
from headwater.queue.worker import StepResult

if TYPE_CHECKING:
    import ssl

MAYBE_TWICE = "The result of an earlier sending is unknown, so this mail may have arrived twice."


class Sending(NamedTuple):
    """A mail to send."""

    workspace_id: uuid.UUID
    run_id: uuid.UUID
    n: int
    row: Any

    @property
    def is_again(self) -> bool:
        """Whether the result of an earlier sending is unknown."""
        return self.row.handed_over_at is not None


class SendMail:
    """Handler of the steps `send_mail`, whose key is the number of the delivery."""

    def __init__(
        self, database: Database, settings: Settings, context: "Callable[[], ssl.SSLContext]" = tls_context
    ) -> None:
        self.database = database
        self.settings = settings
        self.context = context

    def gather(self, tx: Connection, step: Step) -> Sending | None:
        """Read what to send. Returns None if it has been sent."""
        row = standing_runs.take_delivery(tx, step)
        if row is None:
            return None
        if not self.settings.smtp_url:
            raise PermanentError(NO_SERVER)
        check_recipients(tx, step.workspace_id, [row.address])
        return Sending(step.workspace_id, row.id, int(step.key), row)

    def compute(self, gathered: Sending | None) -> Sending | None:
        """Send. Raises UpstreamError for failures that pass, PermanentError for others."""
        if gathered is None:
            return None
        row, sender = gathered.row, self.settings.mail_from
        answered = read_answered(row, self.settings.app_url)
        now = dt.datetime.now(dt.UTC)
        message = compose_mail(answered, sender, row.address, gathered.n, now)
        try:
            send_mail(
                read_server(self.settings.smtp_url),
                message["From"].addresses[0].addr_spec,
                row.address,
                message.as_bytes(),
                before_data=partial(self._note, standing_runs.note_hand_over, gathered),
                context=self.context,
            )
        except (MailRefused, MailDeferred):
            if not gathered.is_again:
                self._note(standing_runs.forget_hand_over, gathered)
            raise
        return gathered

    def apply(self, tx: Connection, step: Step, computed: Sending | None) -> StepResult:
        """End the delivery; with the last one, the run."""
        if computed is not None:
            reason = MAYBE_TWICE if computed.is_again else None
            standing_runs.end_delivery(tx, step, int(step.key), "sent", reason)
        return StepResult({"sent": int(computed is not None)})

    def give_up(self, tx: Connection, step: Step, reason: str) -> None:
        """End the delivery as failed."""
        standing_runs.end_delivery(tx, step, int(step.key), "failed", reason)

    def _note(self, note: Callable[[Connection, uuid.UUID, uuid.UUID, int], None], sending: Sending) -> None:
        with self.database.transaction(sending.workspace_id) as tx:
            note(tx, sending.workspace_id, sending.run_id, sending.n)
