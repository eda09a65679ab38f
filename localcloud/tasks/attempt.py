"""One attempt at a task: what is sent to the target and what its answer means. Pure; the dispatcher does the rest.

The headers follow "Create HTTP target tasks" in Google's documentation and recordings of the real service, which the
tests repeat.
"""

from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from localcloud.identity import id_token
from localcloud.outbound import OutboundRequest, OutboundResponse
from localcloud.protojson import timestamp_text
from localcloud.rest import JsonObject
from localcloud.retry import backoff, gives_up
from localcloud.tasks.parse import encoded_url
from localcloud.tasks.resources import USER_AGENT, RetryConfig, Task

DEADLINE_EXCEEDED = 504
UNREACHABLE = 503

# google.rpc.Code of an HTTP status, for Attempt.responseStatus: the mapping in google/rpc/code.proto.
_RPC_CODES = {
    400: (3, "INVALID_ARGUMENT"),
    401: (16, "UNAUTHENTICATED"),
    403: (7, "PERMISSION_DENIED"),
    404: (5, "NOT_FOUND"),
    409: (10, "ABORTED"),
    429: (8, "RESOURCE_EXHAUSTED"),
    499: (1, "CANCELLED"),
    500: (13, "INTERNAL"),
    501: (12, "UNIMPLEMENTED"),
    503: (14, "UNAVAILABLE"),
    504: (4, "DEADLINE_EXCEEDED"),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended. `answered` is False when no answer came; `status` then stands for the reason (503, 504)."""

    dispatched_at: float
    ended_at: float
    status: int
    answered: bool
    retry_after_s: float = 0.0
    reason: str = ""

    @property
    def succeeded(self) -> bool:
        """Whether the task is done: 200 to 299, nothing else; a redirect is a failure."""
        return self.answered and 200 <= self.status <= 299

    @property
    def overloaded(self) -> bool:
        """Whether the target asked to be called less."""
        return self.answered and self.status in (429, 503)

    @property
    def executed(self) -> bool:
        """Whether it counts as an execution: answers of 5xx do not."""
        return self.answered and self.status < 500


def request_of(task: Task, queue_id: str, now: float) -> OutboundRequest:
    """Return the request of the task's next attempt; `queue_id` is the queue's short id."""
    headers = {**task.request.headers, "User-Agent": USER_AGENT}
    if task.request.oidc_email:
        headers = {name: value for name, value in headers.items() if name.lower() != "authorization"}
        headers["Authorization"] = f"Bearer {id_token(task.request.oidc_email, task.request.oidc_audience, now)}"
    headers |= {
        "X-CloudTasks-QueueName": queue_id,
        "X-CloudTasks-TaskName": task.task_id,
        "X-CloudTasks-TaskRetryCount": str(task.dispatch_count),
        "X-CloudTasks-TaskExecutionCount": str(task.execution_count),
        "X-CloudTasks-TaskETA": f"{task.schedule_time:.6f}",
    }
    if task.previous_response is not None:
        headers |= {
            "X-CloudTasks-TaskPreviousResponse": str(task.previous_response),
            "X-CloudTasks-TaskRetryReason": "",
        }
    return OutboundRequest(
        task.request.method.name, encoded_url(task.request.url), list(headers.items()), task.request.body
    )


def answer(response: OutboundResponse, *, dispatched_at: float, now: float) -> Outcome:
    """Return the outcome of an attempt that got an answer."""
    retry_after_s = retry_after(response.headers.get("retry-after", ""), now)
    return Outcome(dispatched_at, now, response.status, answered=True, retry_after_s=retry_after_s)


def retry_after(value: str, now: float) -> float:
    """Return the seconds that a Retry-After (RFC 9110, 10.2.3) asks for, in seconds or by a date; 0 for neither."""
    value = value.strip()
    if value.isascii() and value.isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except ValueError:
        return 0.0


def next_attempt(task: Task, outcome: Outcome, retry: RetryConfig) -> float | None:
    """Return when a task whose attempt failed is tried again, None when it is given up."""
    attempts = task.dispatch_count + 1
    elapsed_s = outcome.ended_at - (task.first_attempt_time or outcome.dispatched_at)
    if gives_up(
        attempts,
        elapsed_s,
        max_attempts=retry.max_attempts,
        max_retry_duration_s=retry.max_retry_duration_s,
    ):
        return None
    delay_s = backoff(
        attempts,
        min_backoff_s=retry.min_backoff_s,
        max_backoff_s=retry.max_backoff_s,
        max_doublings=retry.max_doublings,
    )
    asked_s = bounded_retry_after(outcome, retry) if outcome.overloaded else 0.0
    return outcome.ended_at + max(delay_s, asked_s)


def bounded_retry_after(outcome: Outcome, retry: RetryConfig) -> float:
    """Return the seconds a target asked to be left alone, which can't exceed the queue's own longest interval."""
    return min(outcome.retry_after_s, retry.max_backoff_s)


def attempt_json(task: Task, outcome: Outcome) -> JsonObject:
    """Write the Attempt that becomes the task's `lastAttempt`."""
    code, name = _RPC_CODES.get(outcome.status) or _class_code(outcome.status)
    result: JsonObject = {
        "scheduleTime": timestamp_text(task.schedule_time),
        "dispatchTime": timestamp_text(outcome.dispatched_at),
        "responseStatus": {
            "code": code,
            "message": f"{name}({code}): {outcome.reason or _status_text(outcome.status)}",
        },
    }
    if outcome.answered:
        result["responseTime"] = timestamp_text(outcome.ended_at)
    return result


def _class_code(status: int) -> tuple[int, str]:
    if 400 <= status <= 499:
        return 9, "FAILED_PRECONDITION"
    return (13, "INTERNAL") if 500 <= status <= 599 else (2, "UNKNOWN")


def _status_text(status: int) -> str:
    return f"HTTP status code {status}"
