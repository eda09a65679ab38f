"""The resources of Cloud Scheduler: jobs.

For the fields see https://cloud.google.com/scheduler/docs/reference/rest/v1/projects.locations.jobs.
"""

import enum
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from localcloud.rest.router import JsonObject
from localcloud.scheduler.cron import next_time
from localcloud.targets.http_request import HttpRequest

USER_AGENT = "Google-Cloud-Scheduler"
DEFAULT_CONTENT_TYPE = "application/octet-stream"


class JobState(enum.Enum):
    """Job.State."""

    STATE_UNSPECIFIED = 0
    ENABLED = 1
    PAUSED = 2
    DISABLED = 3
    UPDATE_FAILED = 4


@dataclass(frozen=True, slots=True)
class RetryConfig:
    """RetryConfig, with the defaults of a new job. With a `retry_count` of 0, failed attempts are not retried."""

    retry_count: int = 0
    max_retry_duration_s: float = 0.0
    min_backoff_s: float = 5.0
    max_backoff_s: float = 3600.0
    max_doublings: int = 5


@dataclass(frozen=True, slots=True)
class JobConfig:
    """The settings of a job."""

    schedule: str
    time_zone: str
    description: str
    request: HttpRequest
    attempt_deadline_s: float
    retry: RetryConfig

    def next_tick(self, after: float) -> float:
        """Return the first scheduled time after `after`. Errors: CronError."""
        return next_time(self.schedule, after, zone(self.time_zone))


@dataclass(frozen=True, slots=True)
class Execution:
    """An outstanding execution: the attempts for the scheduled time `tick`, started at `begun_at`."""

    tick: float
    begun_at: float
    failures: int


@dataclass(frozen=True, slots=True)
class Job:
    """A stored job. `schedule_time`: when the next attempt is due; None if none is scheduled."""

    id: int
    name: str
    state: JobState
    config: JobConfig
    user_update_time: float
    schedule_time: float | None
    outstanding: Execution | None
    last_attempt_time: float | None
    status: JsonObject | None

    @property
    def short_id(self) -> str:
        """The last part of the name."""
        return self.name.rpartition("/")[2]


def zone(name: str) -> ZoneInfo:
    """Return a time zone of the tz database; `utc` in any case. Errors: KeyError, ValueError, OSError."""
    return ZoneInfo("UTC" if name.upper() == "UTC" else name)
