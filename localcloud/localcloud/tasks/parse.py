"""Parses Queue and Task messages: checks every field and fills in defaults. Pure.

Errors are `ApiError`s, with the messages of the real service where those are known.
"""

import re

from localcloud.rest.protojson import Message, timestamp_text
from localcloud.rest.router import invalid
from localcloud.targets.http_request import read_http_request
from localcloud.tasks.resources import NewTask, QueueConfig, RetryConfig

MAX_TASK_BYTES = 1024 * 1024
MAX_SCHEDULE_AHEAD_S = 30 * 24 * 3600.0
MAX_DISPATCH_DEADLINE_S = 1800.0
DEFAULT_DISPATCH_DEADLINE_S = 600.0
DEFAULT_DISPATCHES_PER_SECOND = 500.0
DEFAULT_CONCURRENT_DISPATCHES = 1000

_QUEUE_NAME = re.compile(r"projects/[\w.:-]+/locations/[\w-]+/queues/[A-Za-z0-9-]{1,100}", re.ASCII)
_TASK_ID = re.compile(r"[A-Za-z0-9_-]{1,500}")


def check_queue_name(name: str, parent: str) -> None:
    """Check the name of a new queue in the location `parent`."""
    if not _QUEUE_NAME.fullmatch(name):
        raise invalid(
            'Queue name must be formatted: "projects/<PROJECT_ID>/locations/<LOCATION_ID>/queues/<QUEUE_ID>".'
        )
    if not name.startswith(f"{parent}/"):
        raise invalid(f"{name} must begin with {parent}.")


def read_queue_config(queue: Message) -> QueueConfig:
    """Read the settings of a Queue. Absent and zero values get defaults."""
    with queue:
        queue.ignore("name", "state", "purgeTime")  # the caller reads the name if it needs it
        queue.unsupported("httpTarget", "Queue.httpTarget")
        queue.unsupported("appEngineRoutingOverride", "Queue.appEngineRoutingOverride")
        rate, concurrent = _read_rate_limits(queue.message("rateLimits"))
        retry = read_retry_config(queue.message("retryConfig")) or RetryConfig()
        sampling_ratio = 0.0
        if (logging := queue.message("stackdriverLoggingConfig")) is not None:
            with logging:
                sampling_ratio = logging.number("samplingRatio")
    return QueueConfig(rate, concurrent, retry, sampling_ratio)


def _read_rate_limits(message: Message | None) -> tuple[float, int]:
    rate, concurrent = 0.0, 0
    if message is not None:
        with message:
            message.ignore("maxBurstSize")
            rate = message.number("maxDispatchesPerSecond")
            concurrent = message.integer("maxConcurrentDispatches")
    for name, value, limit in (("maxDispatchesPerSecond", rate, 500), ("maxConcurrentDispatches", concurrent, 5000)):
        if value < 0:
            raise invalid(f"RateLimits.{name} cannot be negative.")
        if value > limit:
            raise invalid(f"RateLimits.{name} must be less than or equal to {limit}.")
    return rate or DEFAULT_DISPATCHES_PER_SECOND, concurrent or DEFAULT_CONCURRENT_DISPATCHES


def read_retry_config(message: Message | None) -> RetryConfig | None:
    """Read a RetryConfig. Absent and zero values get defaults."""
    if message is None:
        return None
    default = RetryConfig()
    with message:
        attempts = message.integer("maxAttempts")
        duration_s = message.duration_s("maxRetryDuration")
        min_s = message.duration_s("minBackoff")
        max_s = message.duration_s("maxBackoff")
        doublings = message.integer("maxDoublings")
    if attempts < -1:
        raise invalid("RetryConfig.maxAttempts must be greater or equal to -1.")
    durations = {"maxRetryDuration": duration_s, "minBackoff": min_s, "maxBackoff": max_s, "maxDoublings": doublings}
    for name, value in durations.items():
        if value < 0:
            raise invalid(f"RetryConfig.{name} cannot be negative.")
    retry = RetryConfig(
        max_attempts=attempts or default.max_attempts,
        max_retry_duration_s=duration_s,
        min_backoff_s=min_s or default.min_backoff_s,
        max_backoff_s=max_s or default.max_backoff_s,
        max_doublings=doublings or default.max_doublings,
    )
    if retry.min_backoff_s > retry.max_backoff_s:
        raise invalid("RetryConfig.minBackoff must be less than or equal to RetryConfig.maxBackoff.")
    return retry


def read_task(task: Message, *, queue_name: str, now: float, min_dispatch_deadline_s: float) -> NewTask:
    """Read the Task of a CreateTask request."""
    with task:
        task.ignore("createTime", "dispatchCount", "responseCount", "firstAttempt", "lastAttempt", "view")
        task.unsupported("appEngineHttpRequest", "Task.appEngineHttpRequest")
        task_id = _read_task_id(task.string("name"), queue_name)
        schedule_time = task.timestamp("scheduleTime") or now
        deadline_s = task.duration_s("dispatchDeadline") or DEFAULT_DISPATCH_DEADLINE_S
        retry = read_retry_config(task.message("retryConfig"))
        message = task.message("httpRequest")
        if message is None:
            raise invalid("Task.httpRequest is required.")
        request = read_http_request(message, message_name="HttpRequest", url_field="url", with_oauth=False)
    if request.size_bytes > MAX_TASK_BYTES:
        raise invalid("Task size too large")
    if schedule_time > now + MAX_SCHEDULE_AHEAD_S:
        raise invalid(
            f"The Task.scheduleTime, {timestamp_text(schedule_time)}, is too far in the future. "
            "Schedule time must be no more than 720h in the future."
        )
    if not min_dispatch_deadline_s <= deadline_s <= MAX_DISPATCH_DEADLINE_S:
        raise invalid(f"Task.dispatchDeadline must be between [{min_dispatch_deadline_s:g}s, 30m].")
    return NewTask(task_id, request, max(schedule_time, now), deadline_s, retry)


def _read_task_id(name: str, queue_name: str) -> str:
    if not name:
        return ""
    named_queue, separator, task_id = name.partition("/tasks/")
    if not separator:
        raise invalid(
            'Task name must be formatted: "projects/<PROJECT_ID>/locations/<LOCATION_ID>/queues/<QUEUE_ID>/'
            'tasks/<TASK_ID>"'
        )
    if named_queue != queue_name:
        raise invalid(
            f"The queue name from request ('{queue_name}') must be the same as the queue name in the named task "
            f"('{named_queue}')."
        )
    if not _TASK_ID.fullmatch(task_id):
        raise invalid(
            f'Task ID "{task_id}" can contain only letters ([A-Za-z]), numbers ([0-9]), hyphens (-), or underscores '
            "(_). Task ID must between 1 and 500 characters."
        )
    return task_id
