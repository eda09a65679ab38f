"""One attempt at a task: what is sent to the target and what its answer means. Pure; the dispatcher does the rest.

The headers follow "Create HTTP target tasks" in Google's documentation and recordings of the real service, which the
tests repeat.
"""

from localcloud.rest.protojson import timestamp_text
from localcloud.rest.router import JsonObject
from localcloud.targets.backoff import backoff, gives_up
from localcloud.targets.http_request import encoded_url, sent_headers
from localcloud.targets.outbound import OutboundRequest
from localcloud.targets.outcome import Outcome
from localcloud.tasks.resources import USER_AGENT, RetryConfig, Task


def request_of(task: Task, queue_id: str, now: float) -> OutboundRequest:
    """Return the request of the task's next attempt; `queue_id` is the queue's short id."""
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
