"""Renders Job messages, and the settings of a job for the database. Pure."""

import base64

from localcloud.rest.protojson import duration_text, timestamp_text
from localcloud.rest.router import JsonObject
from localcloud.scheduler.attempt import target_headers
from localcloud.scheduler.resources import Job, JobConfig, RetryConfig
from localcloud.targets.http_request import HttpRequest


def job_json(job: Job) -> JsonObject:
    """Return a Job message."""
    result: JsonObject = {
        "name": job.name,
        **job_config_json(job.config),
        "state": job.state,
        "userUpdateTime": timestamp_text(job.user_update_time),
    }
    result["httpTarget"]["headers"] = target_headers(job.config.request)
    if job.status is not None:
        result["status"] = job.status
    if job.schedule_time is not None:
        result["scheduleTime"] = timestamp_text(job.schedule_time)
    if job.last_attempt_time is not None:
        result["lastAttemptTime"] = timestamp_text(job.last_attempt_time)
    return result


def job_config_json(config: JobConfig) -> JsonObject:
    """Return the settings of a job, which `read_job_config` reads."""
    result: JsonObject = {
        "schedule": config.schedule,
        "timeZone": config.time_zone,
        "httpTarget": _http_target_json(config.request),
        "attemptDeadline": duration_text(config.attempt_deadline_s),
        "retryConfig": _retry_config_json(config.retry),
    }
    if config.description:
        result["description"] = config.description
    return result


def _http_target_json(request: HttpRequest) -> JsonObject:
    result: JsonObject = {"uri": request.url, "httpMethod": request.method.name, "headers": request.headers}
    if request.body:
        result["body"] = base64.b64encode(request.body).decode()
    if request.oidc_email:
        result["oidcToken"] = {"serviceAccountEmail": request.oidc_email, "audience": request.oidc_audience}
    if request.oauth_email:
        result["oauthToken"] = {"serviceAccountEmail": request.oauth_email, "scope": request.oauth_scope}
    return result


def _retry_config_json(retry: RetryConfig) -> JsonObject:
    return {
        "retryCount": retry.retry_count,
        "maxRetryDuration": duration_text(retry.max_retry_duration_s),
        "minBackoffDuration": duration_text(retry.min_backoff_s),
        "maxBackoffDuration": duration_text(retry.max_backoff_s),
        "maxDoublings": retry.max_doublings,
    }
