"""One attempt at a job: what is sent to the target and what its answer means. Pure; the dispatcher does the rest."""

from collections.abc import Mapping

from localcloud.rest.protojson import timestamp_text
from localcloud.rest.router import JsonObject
from localcloud.scheduler.resources import DEFAULT_CONTENT_TYPE, USER_AGENT, Execution, Job, RetryConfig
from localcloud.targets.backoff import backoff, gives_up
from localcloud.targets.http_request import HttpRequest, encoded_url, sent_headers
from localcloud.targets.outbound import OutboundRequest
from localcloud.targets.outcome import Outcome


def own_headers(request: HttpRequest) -> dict[str, str]:
    """Return the headers that every request of a job has: the client's and those that the service adds."""
    return {**_with_content_type(request.headers, request.body), "User-Agent": USER_AGENT}


def request_of(job: Job, tick: float, now: float) -> OutboundRequest:
    """Return the request of the job's next attempt, made `now` for the time `tick`."""
    request = job.config.request
    headers = _with_content_type(sent_headers(request, USER_AGENT, now), request.body) | {
        "X-CloudScheduler": "true",
        "X-CloudScheduler-JobName": job.short_id,
        "X-CloudScheduler-ScheduleTime": timestamp_text(tick),
    }
    return OutboundRequest(request.method.name, encoded_url(request.url), list(headers.items()), request.body)


def next_retry(execution: Execution, retry: RetryConfig, now: float) -> float | None:
    """Return when an execution that has failed once more, `now`, is tried again; None when it is not."""
    failures = execution.failures + 1
    if not retry.retry_count or gives_up(
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
    """Write the google.rpc.Status of an attempt; {} is success."""
    if outcome.succeeded:
        return {}
    code, _ = outcome.rpc_code
    return {"code": code, "message": outcome.reason or f"HTTP status code {outcome.status}"}


def _with_content_type(headers: Mapping[str, str], body: bytes) -> dict[str, str]:
    if not body or any(name.lower() == "content-type" for name in headers):
        return dict(headers)
    return {**headers, "Content-Type": DEFAULT_CONTENT_TYPE}
