"""An attempt to run a task: its request, the time of the next attempt, and the Attempt message. Pure.

The headers follow "Create HTTP target tasks" in Google's documentation and recordings of the real service, which the
tests repeat.
"""

from localcloud.rest.protojson import timestamp_text
from localcloud.rest.router import JsonObject
from localcloud.targets.backoff import backoff, retries_exhausted
from localcloud.targets.http_request import encoded_url, sent_headers
from localcloud.targets.outbound import OutboundRequest
from localcloud.targets.outcome import Outcome
from localcloud.tasks.resources import USER_AGENT, RetryConfig, Task


def request_of(task: Task, queue_id: str, now: float) -> OutboundRequest:
    """Return the request of a task's next attempt. `queue_id`: the last part of the queue's name."""
    headers = sent_headers(task.request, USER_AGENT, now) | {
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


def next_attempt(task: Task, outcome: Outcome, retry: RetryConfig) -> float | None:
    """Return the time of the next attempt after a failed one, or None if there is none."""
    attempts = task.dispatch_count + 1
    elapsed_s = outcome.ended_at - (task.first_attempt_time or outcome.dispatched_at)
    if retries_exhausted(
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
    retry_after_s = bounded_retry_after(outcome, retry) if outcome.overloaded else 0.0
    return outcome.ended_at + max(delay_s, retry_after_s)


def bounded_retry_after(outcome: Outcome, retry: RetryConfig) -> float:
    """Return the seconds of the target's Retry-After, at most the maximum backoff."""
    return min(outcome.retry_after_s, retry.max_backoff_s)


def attempt_json(task: Task, outcome: Outcome) -> JsonObject:
    """Return the Attempt message for a task's `lastAttempt`."""
    code, name = outcome.rpc_code
    result: JsonObject = {
        "scheduleTime": timestamp_text(task.schedule_time),
        "dispatchTime": timestamp_text(outcome.dispatched_at),
        "responseStatus": {
            "code": code,
            "message": f"{name}({code}): {outcome.reason or f'HTTP status code {outcome.status}'}",
        },
    }
    if outcome.answered:
        result["responseTime"] = timestamp_text(outcome.ended_at)
    return result
