"""gRPC requests as requests of REST methods."""

import inspect
import re
from typing import Any

import pytest
from google.cloud import run_v2, scheduler_v1, tasks_v2
from google.cloud.run_v2.services.executions.transports import rest_base as executions
from google.cloud.run_v2.services.jobs.transports import rest_base as jobs
from google.cloud.run_v2.services.tasks.transports import rest_base as job_tasks
from google.cloud.scheduler_v1.services.cloud_scheduler.transports import rest_base as scheduler
from google.cloud.tasks_v2.services.cloud_tasks.transports import rest_base as tasks

from localcloud.grpc_api.methods import METHODS
from localcloud.grpc_api.transcoding import RestRequest, response, rest_request
from localcloud.rest.router import ApiError

LOCATION = "projects/p/locations/l"
TASKS, JOBS, SCHEDULER = (
    f"/google.cloud.{name}" for name in ("tasks.v2.CloudTasks", "run.v2.Jobs", "scheduler.v1.CloudScheduler")
)


def transcoded(path: str, request: Any) -> RestRequest:
    return rest_request(METHODS[path], type(request).pb(request))


def test_rules_are_those_of_googles_rest_transports() -> None:
    """The clients' REST transports have the same rules, `{name=projects/*}` with the pattern of a name."""
    services = {"CloudTasks": tasks, "Jobs": jobs, "Executions": executions, "Tasks": job_tasks}
    compared = 0
    for path, method in METHODS.items():
        service = path.split("/")[1].rpartition(".")[2]
        module = scheduler if service == "CloudScheduler" else services.get(service, jobs)
        [base] = [value for name, value in inspect.getmembers(module) if name.startswith("_Base")]
        rules = getattr(base, f"_Base{method.name}", None)
        if rules is None:  # locations have no rule in the client of Cloud Run
            rules = getattr(tasks._BaseCloudTasksRestTransport, f"_Base{method.name}")
        [rule] = rules._get_http_options()
        uri = re.sub(r"\{([\w.]+)=[^}]*\}", r"{\1}", rule["uri"])
        assert (method.verb, method.path, method.body) == (rule["method"].upper(), uri, rule.get("body", "")), path
        compared += 1
    assert compared == 37


def test_body_is_a_field_and_the_others_are_the_query() -> None:
    queue = {"name": f"{LOCATION}/queues/q", "rate_limits": {"max_dispatches_per_second": 1}}
    update = {"queue": queue, "update_mask": {"paths": ["rate_limits.max_dispatches_per_second", "retry_config"]}}
    assert transcoded(f"{TASKS}/UpdateQueue", tasks_v2.UpdateQueueRequest(update)) == RestRequest(
        f"/v2/{LOCATION}/queues/q",
        {"updateMask": "rateLimits.maxDispatchesPerSecond,retryConfig"},
        {"rateLimits": {"maxDispatchesPerSecond": 1.0}},
    )
    create = {"parent": LOCATION, "job": {"template": {"task_count": 2}}, "job_id": "j", "validate_only": True}
    assert transcoded(f"{JOBS}/CreateJob", run_v2.CreateJobRequest(create)) == RestRequest(
        f"/v2/{LOCATION}/jobs", {"jobId": "j", "validateOnly": "true"}, {"template": {"taskCount": 2}}
    )


def test_whole_request_is_the_body_without_the_name_in_the_path() -> None:
    http_request = {"url": "http://x/", "body": b"\xff", "http_method": tasks_v2.HttpMethod.PUT}
    task = {"http_request": http_request, "dispatch_deadline": {"seconds": 20}}
    request = {"parent": f"{LOCATION}/queues/q", "task": task, "response_view": tasks_v2.Task.View.FULL}
    assert transcoded(f"{TASKS}/CreateTask", tasks_v2.CreateTaskRequest(request)) == RestRequest(
        f"/v2/{LOCATION}/queues/q/tasks",
        {},
        {
            "task": {
                "httpRequest": {"url": "http://x/", "body": "/w==", "httpMethod": "PUT"},
                "dispatchDeadline": "20s",
            },
            "responseView": "FULL",
        },
    )
    run = scheduler_v1.RunJobRequest(name=f"{LOCATION}/jobs/j")
    assert transcoded(f"{SCHEDULER}/RunJob", run) == RestRequest(f"/v1/{LOCATION}/jobs/j:run", {}, {})


def test_names_are_not_decoded() -> None:
    request = tasks_v2.GetTaskRequest(name=f"{LOCATION}/queues/q/tasks/a%2Fb?x=1")
    assert transcoded(f"{TASKS}/GetTask", request).path == f"/v2/{LOCATION}/queues/q/tasks/a%2Fb?x=1"


def test_missing_name_is_rejected() -> None:
    for path, request in (
        (f"{TASKS}/GetQueue", tasks_v2.GetQueueRequest()),
        (f"{JOBS}/UpdateJob", run_v2.UpdateJobRequest()),
    ):
        with pytest.raises(ApiError, match="the name is missing"):
            transcoded(path, request)


def test_response_is_the_message_of_the_json() -> None:
    method = METHODS[f"{TASKS}/GetQueue"]
    queue = tasks_v2.Queue.wrap(
        response(method, {"name": "q", "state": "PAUSED", "retryConfig": {"minBackoff": "0.100s"}})
    )
    assert (queue.name, queue.state, queue.retry_config.min_backoff.total_seconds()) == (
        "q",
        tasks_v2.Queue.State.PAUSED,
        0.1,
    )
