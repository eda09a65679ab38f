"""Parses Job messages: checks every field and fills in defaults. Pure."""

import re

from localcloud.rest.protojson import Message
from localcloud.rest.router import ApiError, invalid
from localcloud.scheduler.cron import CronError
from localcloud.scheduler.resources import JobConfig, RetryConfig, zone
from localcloud.targets.http_request import read_http_request

MAX_JOB_BYTES = 1024 * 1024
MAX_DESCRIPTION_CHARS = 500
MAX_ATTEMPT_DEADLINE_S = 1800.0
DEFAULT_ATTEMPT_DEADLINE_S = 180.0
DEFAULT_TIME_ZONE = "Etc/UTC"
MAX_RETRY_COUNT = 5

_JOB_NAME = re.compile(r"projects/[\w.:-]+/locations/[\w-]+/jobs/[A-Za-z0-9_-]{1,500}", re.ASCII)
_OUTPUT_ONLY = ("name", "state", "userUpdateTime", "scheduleTime", "lastAttemptTime", "status", "satisfiesPzs")


def check_job_name(name: str, parent: str) -> None:
    """Check the name of a new job in the location `parent`."""
    if not _JOB_NAME.fullmatch(name):
        raise invalid('Job name must be formatted: "projects/<PROJECT_ID>/locations/<LOCATION_ID>/jobs/<JOB_ID>".')
    if not name.startswith(f"{parent}/jobs/"):
        raise invalid(f"{name} must begin with {parent}/jobs/.")


def read_job_config(job: Message) -> JobConfig:
    """Read the settings of a Job; `check_job_config` checks limits and schedule."""
    with job:
        job.ignore(*_OUTPUT_ONLY)  # the caller reads the name if it needs it
        job.unsupported("pubsubTarget", "Job.pubsubTarget")
        job.unsupported("appEngineHttpTarget", "Job.appEngineHttpTarget")
        target = job.message("httpTarget")
        if target is None:
            raise invalid("Job.httpTarget is required.")
        return JobConfig(
            schedule=job.string("schedule"),
            time_zone=job.string("timeZone") or DEFAULT_TIME_ZONE,
            description=job.string("description"),
            request=read_http_request(target, message_name="HttpTarget", url_field="uri", with_oauth=True),
            attempt_deadline_s=job.duration_s("attemptDeadline") or DEFAULT_ATTEMPT_DEADLINE_S,
            retry=_read_retry_config(job.message("retryConfig")),
        )


def check_job_config(config: JobConfig, *, min_attempt_deadline_s: float, now: float) -> JobConfig:
    """Check limits and schedule of a job, which must come due after `now`; return its settings."""
    if len(config.description) > MAX_DESCRIPTION_CHARS:
        raise invalid(f"Job.description must be at most {MAX_DESCRIPTION_CHARS} characters.")
    if config.request.size_bytes > MAX_JOB_BYTES:
        raise invalid("Job size too large")
    if not min_attempt_deadline_s <= config.attempt_deadline_s <= MAX_ATTEMPT_DEADLINE_S:
        raise invalid(f"Job.attemptDeadline must be between [{min_attempt_deadline_s:g}s, 30m].")
    _check_schedule(config, now)
    return config


def _check_schedule(config: JobConfig, now: float) -> None:
    if config.schedule.lower().startswith(("every ", "1st", "2nd", "3rd", "first ")):
        raise ApiError("UNIMPLEMENTED", "App Engine's cron format ('every 5 minutes') is not supported by localcloud.")
    try:
        zone(config.time_zone)
    except (KeyError, ValueError, OSError) as error:  # unknown, malformed, or the name of a folder
        raise invalid(f"Schedule or time zone is invalid: unknown time zone {config.time_zone!r}.") from error
    try:
        config.next_tick(now)
    except CronError as error:
        raise invalid(f"Schedule or time zone is invalid: {error}.") from error


def _read_retry_config(message: Message | None) -> RetryConfig:
    if message is None:
        return RetryConfig()
    default = RetryConfig()
    with message:
        count = message.integer("retryCount")
        duration_s = message.duration_s("maxRetryDuration")
        min_s = message.duration_s("minBackoffDuration")
        max_s = message.duration_s("maxBackoffDuration")
        doublings = message.integer("maxDoublings")
    if not 0 <= count <= MAX_RETRY_COUNT:
        raise invalid(f"RetryConfig.retryCount must be between [0, {MAX_RETRY_COUNT}].")
    for name, value in {
        "maxRetryDuration": duration_s,
        "minBackoffDuration": min_s,
        "maxBackoffDuration": max_s,
        "maxDoublings": doublings,
    }.items():
        if value < 0:
            raise invalid(f"RetryConfig.{name} cannot be negative.")
    retry = RetryConfig(
        retry_count=count,
        max_retry_duration_s=duration_s,
        min_backoff_s=min_s or default.min_backoff_s,
        max_backoff_s=max_s or default.max_backoff_s,
        max_doublings=doublings or default.max_doublings,
    )
    if retry.min_backoff_s > retry.max_backoff_s:
        raise invalid("RetryConfig.minBackoffDuration must be less than or equal to RetryConfig.maxBackoffDuration.")
    return retry
