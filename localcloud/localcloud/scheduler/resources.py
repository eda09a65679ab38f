"""The resources of Cloud Scheduler as values: what is kept and passed between the modules beside this one.

Field by field: https://cloud.google.com/scheduler/docs/reference/rest/v1/projects.locations.jobs.
"""

import enum
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from localcloud.rest.router import JsonObject
from localcloud.scheduler import cron
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
    """When a failed attempt is made again; the defaults are a new job's. Without a retry_count it never is."""

    retry_count: int = 0
    max_retry_duration_s: float = 0.0
    min_backoff_s: float = 5.0
    max_backoff_s: float = 3600.0
    max_doublings: int = 5


@dataclass(frozen=True, slots=True)
class JobConfig:
    """What a client may set on a job."""

    schedule: str
    time_zone: str
    description: str
    request: HttpRequest
    attempt_deadline_s: float
    retry: RetryConfig

    def next_tick(self, after: float) -> float:
        """Return the first time after another that its schedule means."""
        return cron.parse(self.schedule).next(after, zone(self.time_zone))


@dataclass(frozen=True, slots=True)
class Execution:
    """What a job has to do since `begun_at`, for the time `tick`: an attempt, and more when it fails."""

    tick: float
    begun_at: float
    failures: int


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it is kept. `schedule_time` is when the next attempt is due, None while there is none to come."""

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
        """The last part of its name."""
        return self.name.rpartition("/")[2]


def zone(name: str) -> ZoneInfo:
    """Return a time zone by its name in the tz database; UTC may be written small. Errors: KeyError, ValueError."""
    return ZoneInfo("UTC" if name.upper() == "UTC" else name)
