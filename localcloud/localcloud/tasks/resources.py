"""The resources of Cloud Tasks: queues and tasks.

For the fields see https://cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues and …queues.tasks.
"""

import enum
import math
from dataclasses import dataclass

from localcloud.rest.router import JsonObject
from localcloud.targets.http_request import HttpRequest

USER_AGENT = "Google-Cloud-Tasks"


class QueueState(enum.Enum):
    """Queue.State."""

    STATE_UNSPECIFIED = 0
    RUNNING = 1
    PAUSED = 2
    DISABLED = 3


class View(enum.Enum):
    """Task.View."""

    VIEW_UNSPECIFIED = 0
    BASIC = 1
    FULL = 2


@dataclass(frozen=True, slots=True)
class RetryConfig:
    """RetryConfig, with the defaults of a new queue."""

    max_attempts: int = 100
    max_retry_duration_s: float = 0.0
    min_backoff_s: float = 0.1
    max_backoff_s: float = 3600.0
    max_doublings: int = 16


@dataclass(frozen=True, slots=True)
class QueueConfig:
    """The settings of a queue."""

    max_dispatches_per_second: float
    max_concurrent_dispatches: int
    retry: RetryConfig
    log_sampling_ratio: float

    @property
    def max_burst_size(self) -> int:
        """The size of the token bucket: 100 at the default of 500/s, 10 at 1/s, as observed on real queues."""
        return max(10, math.ceil(self.max_dispatches_per_second / 5))


@dataclass(frozen=True, slots=True)
class Queue:
    """A stored queue."""

    id: int
    name: str
    state: QueueState
    config: QueueConfig
    purge_time: float | None

    @property
    def short_id(self) -> str:
        """The last part of the name."""
        return self.name.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class NewTask:
    """A task to create. `task_id`: '' if the server chooses one."""

    task_id: str
    request: HttpRequest
    schedule_time: float
    dispatch_deadline_s: float
    retry: RetryConfig | None


@dataclass(frozen=True, slots=True)
class Task:
    """A stored task. `running` counts running attempts; the other counts are of attempts that ended."""

    id: int
    queue_id: int
    task_id: str
    request: HttpRequest
    schedule_time: float
    create_time: float
    dispatch_deadline_s: float
    retry: RetryConfig | None
    dispatch_count: int
    response_count: int
    execution_count: int
    running: int
    first_attempt_time: float | None
    last_attempt: JsonObject | None
    previous_response: int | None
