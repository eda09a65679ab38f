"""The resources of Cloud Run jobs as values: what is kept and passed between the modules beside this one.

Field by field: https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.jobs and below. The two APIs
show the same resources; where they differ, a value here holds what the v1 API has, which is more (annotations that the
v2 API has fields for).
"""

import enum
from dataclasses import dataclass, field
from typing import Any

LOCATION_LABEL = "cloud.googleapis.com/location"
JOB_LABEL = "run.googleapis.com/job"
EXECUTION_LABEL = "run.googleapis.com/execution"
STATE_LABEL = "run.googleapis.com/runningState"
UPDATED_LABEL = "run.googleapis.com/lastUpdatedTime"
CLIENT_ANNOTATION = "run.googleapis.com/client-name"
CLIENT_VERSION_ANNOTATION = "run.googleapis.com/client-version"
ENVIRONMENT_ANNOTATION = "run.googleapis.com/execution-environment"
CREATOR_ANNOTATION = "run.googleapis.com/creator"
MODIFIER_ANNOTATION = "run.googleapis.com/lastModifier"
# Whoever calls: there is no authentication that could tell.
NOBODY = "nobody@localcloud"


DEFAULT_RETRIES = 3
DEFAULT_TIMEOUT_S = 600


class ExecutionEnvironment(enum.Enum):
    """ExecutionEnvironment; kept, without effect."""

    EXECUTION_ENVIRONMENT_UNSPECIFIED = 0
    EXECUTION_ENVIRONMENT_GEN1 = 1
    EXECUTION_ENVIRONMENT_GEN2 = 2


class TaskState(enum.Enum):
    """What a task is doing: the values of the v1 label `run.googleapis.com/runningState`."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    ABANDONED = "Abandoned"


class ExecutionState(enum.Enum):
    """How far an execution is. CANCELLING lasts until its processes have ended."""

    RUNNING = "Running"
    CANCELLING = "Cancelling"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELLED = "Cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing will happen any more."""
        return self not in (ExecutionState.RUNNING, ExecutionState.CANCELLING)


@dataclass(frozen=True, slots=True)
class Secret:
    """A version of a secret in Secret Manager, which is not here: its variable keeps localcloud's own value."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Container:
    """What runs in a task. `command` replaces what the image runs; `limits` are kept and have no effect.

    `secrets` are the variables whose values are secrets.
    """

    image: str
    name: str = ""
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, Secret] = field(default_factory=dict)
    limits: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TaskTemplate:
    """What every task of an execution is like."""

    container: Container
    max_retries: int = DEFAULT_RETRIES
    timeout_s: int = DEFAULT_TIMEOUT_S
    service_account: str = ""


@dataclass(frozen=True, slots=True)
class ExecutionTemplate:
    """What every execution of a job is like; a parallelism of 0 means as many tasks at once as there are."""

    task: TaskTemplate
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    parallelism: int = 0
    task_count: int = 1


@dataclass(frozen=True, slots=True)
class JobConfig:
    """What a client may set on a job."""

    template: ExecutionTemplate
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a resource is: what its name begins with."""

    project: str
    location: str

    @property
    def name(self) -> str:
        """`projects/P/locations/L`."""
        return f"projects/{self.project}/locations/{self.location}"


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it is kept; `job_id` is the last part of its name."""

    id: int
    place: Place
    job_id: str
    uid: str
    generation: int
    config: JobConfig
    create_time: float
    update_time: float
    execution_count: int

    @property
    def name(self) -> str:
        """Its name in the v2 API."""
        return f"{self.place.name}/jobs/{self.job_id}"

    @property
    def version(self) -> str:
        """What changes with every change."""
        return f"{self.generation}-{int(self.update_time * 1e6)}"


@dataclass(frozen=True, slots=True)
class Counts:
    """How many tasks of an execution are in which state; `retried` of them were run more than once."""

    running: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    retried: int = 0


@dataclass(frozen=True, slots=True)
class Execution:
    """An execution as it is kept; `execution_id` is the last part of its name and unique everywhere."""

    id: int
    place: Place
    job_id: str
    execution_id: str
    uid: str
    template: ExecutionTemplate
    state: ExecutionState
    message: str
    create_time: float
    start_time: float | None
    completion_time: float | None
    counts: Counts

    @property
    def name(self) -> str:
        """Its name in the v2 API."""
        return f"{self.place.name}/jobs/{self.job_id}/executions/{self.execution_id}"

    @property
    def update_time(self) -> float:
        """When something was last known to have happened."""
        return self.completion_time or self.start_time or self.create_time


@dataclass(frozen=True, slots=True)
class Result:
    """How an attempt at a task ended: with a code, by a signal, or with neither when its time was over."""

    exit_code: int | None
    term_signal: int | None
    message: str

    @property
    def succeeded(self) -> bool:
        """Whether the task is done."""
        return self.exit_code == 0

    @property
    def rpc_code(self) -> int:
        """The google.rpc.Code it is reported with: ABORTED for every failure."""
        return 0 if self.succeeded else 10


@dataclass(frozen=True, slots=True)
class Task:
    """A task as it is kept. `attempt` counts from 0; `failures` are those attempts that count against maxRetries."""

    execution_row: int
    index: int
    state: TaskState
    attempt: int
    failures: int
    start_time: float | None
    completion_time: float | None
    result: Result | None

    @property
    def is_open(self) -> bool:
        """Whether it still has to be run, or run on."""
        return self.state in (TaskState.PENDING, TaskState.RUNNING)


def template_from_json(value: dict[str, Any]) -> ExecutionTemplate:
    """Read what `dataclasses.asdict` made of an ExecutionTemplate, as the database keeps it."""
    task = value["task"]
    container = task["container"]
    secrets = {name: Secret(**secret) for name, secret in container.get("secrets", {}).items()}
    words = {"command": tuple(container["command"]), "args": tuple(container["args"])}
    read = Container(**{**container, **words, "secrets": secrets})
    return ExecutionTemplate(**{**value, "task": TaskTemplate(**{**task, "container": read})})


def config_from_json(value: dict[str, Any]) -> JobConfig:
    """Read what `dataclasses.asdict` made of a JobConfig, as the database keeps it."""
    return JobConfig(**{**value, "template": template_from_json(value["template"])})
