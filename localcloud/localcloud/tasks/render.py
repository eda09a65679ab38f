"""Renders Queue and Task messages, and the settings of a queue for the database. Pure."""

import base64

from localcloud.rest.protojson import duration_text, timestamp_text
from localcloud.rest.router import JsonObject
from localcloud.targets.http_request import HttpRequest
from localcloud.tasks.resources import USER_AGENT, Queue, QueueConfig, RetryConfig, Task, View


def queue_json(queue: Queue) -> JsonObject:
    """Return a Queue message."""
    result: JsonObject = {"name": queue.name, **queue_config_json(queue.config), "state": queue.state}
    result["rateLimits"]["maxBurstSize"] = queue.config.max_burst_size
    if queue.purge_time is not None:
        result["purgeTime"] = timestamp_text(queue.purge_time)
    return result


def queue_config_json(config: QueueConfig) -> JsonObject:
    """Return the settings of a queue, which `read_queue_config` reads."""
    result: JsonObject = {
        "rateLimits": {
            "maxDispatchesPerSecond": config.max_dispatches_per_second,
            "maxConcurrentDispatches": config.max_concurrent_dispatches,
        },
        "retryConfig": retry_config_json(config.retry),
    }
    if config.log_sampling_ratio:
        result["stackdriverLoggingConfig"] = {"samplingRatio": config.log_sampling_ratio}
    return result


def retry_config_json(retry: RetryConfig) -> JsonObject:
    """Return a RetryConfig message."""
    result: JsonObject = {
        "maxAttempts": retry.max_attempts,
        "minBackoff": duration_text(retry.min_backoff_s),
        "maxBackoff": duration_text(retry.max_backoff_s),
        "maxDoublings": retry.max_doublings,
    }
    if retry.max_retry_duration_s:
        result["maxRetryDuration"] = duration_text(retry.max_retry_duration_s)
    return result


def task_json(task: Task, queue_name: str, view: View) -> JsonObject:
    """Return a Task message, with the body only in the FULL view. Running attempts count as dispatched."""
    result: JsonObject = {
        "name": f"{queue_name}/tasks/{task.task_id}",
        "httpRequest": _http_request_json(task.request),
        "scheduleTime": timestamp_text(task.schedule_time),
        "createTime": timestamp_text(int(task.create_time)),
        "dispatchDeadline": duration_text(task.dispatch_deadline_s),
        "dispatchCount": task.dispatch_count + task.running,
        "responseCount": task.response_count,
        "view": View.FULL if view is View.FULL else View.BASIC,
    }
    if view is View.FULL and task.request.body:
        result["httpRequest"]["body"] = base64.b64encode(task.request.body).decode()
    if task.retry is not None:
        result["retryConfig"] = retry_config_json(task.retry)
    if task.first_attempt_time is not None:
        result["firstAttempt"] = {"dispatchTime": timestamp_text(task.first_attempt_time)}
    if task.last_attempt is not None:
        result["lastAttempt"] = task.last_attempt
    return result


def _http_request_json(request: HttpRequest) -> JsonObject:
    result: JsonObject = {
        "url": request.url,
        "httpMethod": request.method,
        "headers": {**request.headers, "User-Agent": USER_AGENT},
    }
    if request.oidc_email:
        result["oidcToken"] = {"serviceAccountEmail": request.oidc_email, "audience": request.oidc_audience}
    return result
