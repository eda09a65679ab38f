"""The step `call_back`: post an answer to a callback, signed by the scheme of Standard Webhooks.

A callback is called at least once, always with the same `webhook-id`. Errors that pass are retried by the ledger, with
the pause that the server asks for.
"""

import datetime as dt
import socket
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec
from sqlalchemy.engine import Connection

from functions.chat.standing import standing_runs
from functions.chat.standing.delivery.answered import Answered, read_answered
from headwater.auth.webhook_signatures import sign
from headwater.config import Settings
from headwater.encryption import decrypt_token
from headwater.errors import PermanentError, UpstreamError
from headwater.outbound.deadline import DeadlineExceeded
from headwater.outbound.sockets import Lookup
from headwater.queue.ledger import Step
from headwater.queue.worker import StepResult
from headwater.retry_after import read_retry_after

CALLBACK_S = 30.0
"""Time for one call, until the headers of the response."""

_PASSING = frozenset({408, 425, 429})


class CallbackBody(msgspec.Struct, frozen=True, kw_only=True):
    """The JSON body of a callback."""

    type: str = "standing_question.answered"
    id: str
    trigger: str
    due_at: dt.datetime
    changes_since: dt.datetime | None
    changes_until: dt.datetime | None
    answer: Answered


class Sending(NamedTuple):
    """A callback to call: the address, the secret, and the body."""

    url: str
    secret: str
    id: str
    body: bytes


class CallBack:
    """Handler of the steps `call_back`, whose key is the number of the delivery."""

    def __init__(self, settings: Settings, lookup: Lookup = socket.getaddrinfo) -> None:
        self.settings = settings
        self.lookup = lookup

    def gather(self, tx: Connection, step: Step) -> Sending | None:
        """Read what to send. Returns None if it has been sent."""
        row = standing_runs.take_delivery(tx, step)
        if row is None:
            return None
        secret = decrypt_token(row.callback_secret, self.settings)
        return Sending(row.address, secret, str(row.id), _body(row, self.settings))

    def compute(self, gathered: Sending | None) -> bool:
        """Call. Raises UpstreamError for failures that pass, PermanentError for others."""
        if gathered is None:
            return False
        from urllib3.exceptions import HTTPError

        from headwater.outbound.guarded_http import guarded_http
        from headwater.outbound.http_errors import translate_http_error

        headers = {"Content-Type": "application/json", "User-Agent": self.settings.user_agent}
        headers |= sign(gathered.id, gathered.body, gathered.secret, dt.datetime.now(dt.UTC))
        http = guarded_http(
            allow_private=self.settings.fetch_private,
            timeout_s=CALLBACK_S,
            lookup=self.lookup,
            proxy=self.settings.fetch_proxy,
        )
        host = urlsplit(gathered.url).hostname or ""
        try:
            # The status is all that counts: the body is not read, however long it is.
            response = http.request(
                "POST", gathered.url, body=gathered.body, headers=headers, redirect=False, preload_content=False
            )
        except (HTTPError, DeadlineExceeded) as error:
            raise translate_http_error(error, gathered.url, host) from error
        finally:
            http.clear()
        with response:
            _check(response.status, response.headers, host)
        return True

    def apply(self, tx: Connection, step: Step, computed: bool) -> StepResult:
        """End the delivery; with the last one, the run."""
        if computed:
            standing_runs.end_delivery(tx, step, int(step.key), "sent", None)
        return StepResult({"sent": int(computed)})

    def give_up(self, tx: Connection, step: Step, reason: str) -> None:
        """End the delivery as failed."""
        standing_runs.end_delivery(tx, step, int(step.key), "failed", reason)


def _check(status: int, headers: Any, host: str) -> None:
    if 200 <= status < 300:
        return
    message = f"{host} responded with the status {status}."
    if status in _PASSING or status >= 500:
        raise UpstreamError(message, retry_after_s=read_retry_after(headers.get("Retry-After")))
    if 300 <= status < 400:
        raise PermanentError(f"{message} Redirects are not followed: enter the final address of the callback.")
    raise PermanentError(f"{message} Check the callback's server.")


def _body(row: Any, settings: Settings) -> bytes:
    body = CallbackBody(
        id=str(row.id),
        trigger=row.trigger,
        due_at=row.due_at,
        changes_since=row.changes_since,
        changes_until=row.changes_until,
        answer=read_answered(row, settings.app_url),
    )
    return msgspec.json.encode(body)
