"""The resources of Cloud Run jobs: jobs, executions and tasks.

For the fields see https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.jobs and below. Where the two
APIs differ, these classes follow v1, which has more: it uses annotations for some fields of v2.
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
# The creator of every resource, since there is no authentication.
ANONYMOUS = "anonymous@localcloud"

DEFAULT_RETRIES = 3
DEFAULT_TIMEOUT_S = 600


class ExecutionEnvironment(enum.Enum):
    """ExecutionEnvironment. Stored without effect."""

    EXECUTION_ENVIRONMENT_UNSPECIFIED = 0
    EXECUTION_ENVIRONMENT_GEN1 = 1
    EXECUTION_ENVIRONMENT_GEN2 = 2


class TaskState(enum.Enum):
    """The state of a task, with the values of the v1 label `run.googleapis.com/runningState`."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    ABANDONED = "Abandoned"


class ExecutionState(enum.Enum):
    """The state of an execution. CANCELLING lasts until its processes have ended."""

    RUNNING = "Running"
    CANCELLING = "Cancelling"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELLED = "Cancelled"

    @property
    def is_final(self) -> bool:
        """Whether the execution has ended."""
        return self not in (ExecutionState.RUNNING, ExecutionState.CANCELLING)


@dataclass(frozen=True, slots=True)
class Secret:
    """A reference to a Secret Manager secret. Its value is that of the variable in localcloud's own environment."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Container:
    """The container of a task. `command` replaces the image's entrypoint; `limits` are stored without effect.

    `secrets`: the secrets of environment variables, by variable name.
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
    """TaskTemplate: the settings of every task of an execution."""

    container: Container
    max_retries: int = DEFAULT_RETRIES
    timeout_s: int = DEFAULT_TIMEOUT_S
    service_account: str = ""


@dataclass(frozen=True, slots=True)
class ExecutionTemplate:
    """ExecutionTemplate: the settings of every execution of a job. `parallelism`: 0 for all tasks at once."""

    task: TaskTemplate
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    parallelism: int = 0
    task_count: int = 1


@dataclass(frozen=True, slots=True)
class JobConfig:
    """The settings of a job."""

    template: ExecutionTemplate
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """A project and location."""

    project: str
    location: str

    @property
    def name(self) -> str:
        """`projects/P/locations/L`."""
        return f"projects/{self.project}/locations/{self.location}"


@dataclass(frozen=True, slots=True)
class Job:
    """A stored job. `job_id`: the last part of its name."""

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
        """The name in the v2 API."""
        return f"{self.place.name}/jobs/{self.job_id}"

    @property
    def version(self) -> str:
        """A string that changes with every update; etag and resourceVersion."""
        return f"{self.generation}-{int(self.update_time * 1e6)}"


@dataclass(frozen=True, slots=True)
class Counts:
    """The number of tasks of an execution by state. `retried`: tasks with more than one attempt."""

    running: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    retried: int = 0


@dataclass(frozen=True, slots=True)
class Execution:
    """A stored execution. `execution_id`: the last part of its name, unique in all projects."""

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
        """The name in the v2 API."""
        return f"{self.place.name}/jobs/{self.job_id}/executions/{self.execution_id}"

    @property
    def update_time(self) -> float:
        """The time of the last update."""
        return self.completion_time or self.start_time or self.create_time


@dataclass(frozen=True, slots=True)
class Result:
    """The result of an attempt: an exit code, a signal, or neither after a timeout."""

    exit_code: int | None
    term_signal: int | None
    message: str

    @property
    def succeeded(self) -> bool:
        """Whether the task succeeded."""
        return self.exit_code == 0

    @property
    def rpc_code(self) -> int:
        """The google.rpc.Code to report: ABORTED for every failure."""
        return 0 if self.succeeded else 10


@dataclass(frozen=True, slots=True)
class Task:
    """A stored task. `attempt`: counts from 0. `failures`: attempts that count towards maxRetries."""

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
        """Whether the task has not ended."""
        return self.state in (TaskState.PENDING, TaskState.RUNNING)


def template_from_json(value: dict[str, Any]) -> ExecutionTemplate:
    """Restore an ExecutionTemplate from its `dataclasses.asdict` form, as stored in the database."""
    task = value["task"]
    container = task["container"]
    secrets = {name: Secret(**secret) for name, secret in container.get("secrets", {}).items()}
    words = {"command": tuple(container["command"]), "args": tuple(container["args"])}
    read = Container(**{**container, **words, "secrets": secrets})
    return ExecutionTemplate(**{**value, "task": TaskTemplate(**{**task, "container": read})})


def config_from_json(value: dict[str, Any]) -> JobConfig:
    """Restore a JobConfig from its `dataclasses.asdict` form, as stored in the database."""
    return JobConfig(**{**value, "template": template_from_json(value["template"])})
