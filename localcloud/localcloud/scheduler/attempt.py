"""An attempt to run a job: its request, the time of the next retry, and the status message. Pure."""

from collections.abc import Mapping

from localcloud.rest.protojson import timestamp_text
from localcloud.rest.router import JsonObject
from localcloud.scheduler.resources import DEFAULT_CONTENT_TYPE, USER_AGENT, Execution, Job, RetryConfig
from localcloud.targets.backoff import backoff, retries_exhausted
from localcloud.targets.http_request import HttpRequest, encoded_url, sent_headers
from localcloud.targets.outbound import OutboundRequest
from localcloud.targets.outcome import Outcome


def target_headers(request: HttpRequest) -> dict[str, str]:
    """Return the headers of a job's HttpTarget: the client's and those that the service adds."""
    return {**_with_content_type(request.headers, request.body), "User-Agent": USER_AGENT}


def request_of(job: Job, tick: float, now: float) -> OutboundRequest:
    """Return the request of an attempt at `now`, for the scheduled time `tick`."""
    request = job.config.request
    headers = _with_content_type(sent_headers(request, USER_AGENT, now), request.body) | {
        "X-CloudScheduler": "true",
        "X-CloudScheduler-JobName": job.short_id,
        "X-CloudScheduler-ScheduleTime": timestamp_text(tick),
    }
    return OutboundRequest(request.method.name, encoded_url(request.url), list(headers.items()), request.body)


def next_retry(execution: Execution, retry: RetryConfig, now: float) -> float | None:
    """Return the time of the next retry of an execution that failed again at `now`, or None if there is none."""
    failures = execution.failures + 1
    if not retry.retry_count or retries_exhausted(
        failures,
        now - execution.begun_at,
        max_attempts=retry.retry_count + 1,
        max_retry_duration_s=retry.max_retry_duration_s,
    ):
        return None
    return now + backoff(
        failures,
        min_backoff_s=retry.min_backoff_s,
        max_backoff_s=retry.max_backoff_s,
        max_doublings=retry.max_doublings,
    )


def status_json(outcome: Outcome) -> JsonObject:
    """Return the google.rpc.Status of an attempt; {} means success."""
    if outcome.succeeded:
        return {}
    code, _ = outcome.rpc_code
    return {"code": code, "message": outcome.reason or f"HTTP status code {outcome.status}"}


def _with_content_type(headers: Mapping[str, str], body: bytes) -> dict[str, str]:
    if not body or any(name.lower() == "content-type" for name in headers):
        return dict(headers)
    return {**headers, "Content-Type": DEFAULT_CONTENT_TYPE}
