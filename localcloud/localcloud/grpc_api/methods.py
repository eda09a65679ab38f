"""The gRPC methods and how each is a REST method, as google.api.http declares in Google's API definitions.

Importing the messages takes about a second, so this is imported for the first gRPC connection.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from google.cloud import run_v2, scheduler_v1, tasks_v2
from google.cloud.location import locations_pb2
from google.longrunning import operations_pb2
from google.protobuf import empty_pb2

# Method, verb, path, body (the field that is the body, `*` for all fields that are not in the path), response.
_Row = tuple[str, str, str, str, str]

_CLOUD_TASKS: Sequence[_Row] = [
    ("ListQueues", "GET", "/v2/{parent}/queues", "", "ListQueuesResponse"),
    ("GetQueue", "GET", "/v2/{name}", "", "Queue"),
    ("CreateQueue", "POST", "/v2/{parent}/queues", "queue", "Queue"),
    ("UpdateQueue", "PATCH", "/v2/{queue.name}", "queue", "Queue"),
    ("DeleteQueue", "DELETE", "/v2/{name}", "", "Empty"),
    ("PurgeQueue", "POST", "/v2/{name}:purge", "*", "Queue"),
    ("PauseQueue", "POST", "/v2/{name}:pause", "*", "Queue"),
    ("ResumeQueue", "POST", "/v2/{name}:resume", "*", "Queue"),
    ("ListTasks", "GET", "/v2/{parent}/tasks", "", "ListTasksResponse"),
    ("GetTask", "GET", "/v2/{name}", "", "Task"),
    ("CreateTask", "POST", "/v2/{parent}/tasks", "*", "Task"),
    ("DeleteTask", "DELETE", "/v2/{name}", "", "Empty"),
    ("RunTask", "POST", "/v2/{name}:run", "*", "Task"),
]
_RUN_JOBS: Sequence[_Row] = [
    ("CreateJob", "POST", "/v2/{parent}/jobs", "job", "Operation"),
    ("GetJob", "GET", "/v2/{name}", "", "Job"),
    ("ListJobs", "GET", "/v2/{parent}/jobs", "", "ListJobsResponse"),
    ("UpdateJob", "PATCH", "/v2/{job.name}", "job", "Operation"),
    ("DeleteJob", "DELETE", "/v2/{name}", "", "Operation"),
    ("RunJob", "POST", "/v2/{name}:run", "*", "Operation"),
]
_RUN_EXECUTIONS: Sequence[_Row] = [
    ("GetExecution", "GET", "/v2/{name}", "", "Execution"),
    ("ListExecutions", "GET", "/v2/{parent}/executions", "", "ListExecutionsResponse"),
    ("DeleteExecution", "DELETE", "/v2/{name}", "", "Operation"),
    ("CancelExecution", "POST", "/v2/{name}:cancel", "*", "Operation"),
]
_RUN_TASKS: Sequence[_Row] = [
    ("GetTask", "GET", "/v2/{name}", "", "Task"),
    ("ListTasks", "GET", "/v2/{parent}/tasks", "", "ListTasksResponse"),
]
_OPERATIONS: Sequence[_Row] = [
    ("GetOperation", "GET", "/v2/{name}", "", "Operation"),
    ("WaitOperation", "POST", "/v2/{name}:wait", "*", "Operation"),
]
_CLOUD_SCHEDULER: Sequence[_Row] = [
    ("ListJobs", "GET", "/v1/{parent}/jobs", "", "ListJobsResponse"),
    ("GetJob", "GET", "/v1/{name}", "", "Job"),
    ("CreateJob", "POST", "/v1/{parent}/jobs", "job", "Job"),
    ("UpdateJob", "PATCH", "/v1/{job.name}", "job", "Job"),
    ("DeleteJob", "DELETE", "/v1/{name}", "", "Empty"),
    ("PauseJob", "POST", "/v1/{name}:pause", "*", "Job"),
    ("ResumeJob", "POST", "/v1/{name}:resume", "*", "Job"),
    ("RunJob", "POST", "/v1/{name}:run", "*", "Job"),
]
_LOCATIONS: Sequence[_Row] = [
    ("ListLocations", "GET", "/v2/{name}/locations", "", "ListLocationsResponse"),
    ("GetLocation", "GET", "/v2/{name}", "", "Location"),
]
_SHARED = {"Empty": empty_pb2.Empty, "Operation": operations_pb2.Operation}


@dataclass(frozen=True, slots=True)
class Method:
    """A gRPC method: verb and path of the REST method, its body, and the classes of the messages."""

    name: str
    verb: str
    path: str
    body: str
    request: Any
    response: Any


def _service(name: str, messages: ModuleType, rows: Sequence[_Row]) -> dict[str, Method]:
    methods = {}
    for method, verb, path, body, response in rows:
        request_class = _protobuf(getattr(messages, f"{method}Request"))
        response_class = _SHARED.get(response) or _protobuf(getattr(messages, response))
        methods[f"/{name}/{method}"] = Method(method, verb, path, body, request_class, response_class)
    return methods


def _protobuf(message: Any) -> Any:
    """Return the protobuf class of a client library's message class."""
    return message.pb() if hasattr(message, "pb") else message


METHODS: Mapping[str, Method] = {
    **_service("google.cloud.tasks.v2.CloudTasks", tasks_v2, _CLOUD_TASKS),
    **_service("google.cloud.run.v2.Jobs", run_v2, _RUN_JOBS),
    **_service("google.cloud.run.v2.Executions", run_v2, _RUN_EXECUTIONS),
    **_service("google.cloud.run.v2.Tasks", run_v2, _RUN_TASKS),
    **_service("google.cloud.scheduler.v1.CloudScheduler", scheduler_v1, _CLOUD_SCHEDULER),
    **_service("google.longrunning.Operations", operations_pb2, _OPERATIONS),
    **_service("google.cloud.location.Locations", locations_pb2, _LOCATIONS),
}
"""By the path of the gRPC request: `/SERVICE/METHOD`."""
