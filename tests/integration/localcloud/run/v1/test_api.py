"""The Cloud Run v1 API over REST, as gcloud calls it through an HTTP proxy; discovery methods."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.harness.localcloud import LOCATION, SHELL_IMAGE, Cloud, localcloud, wait_until

BASE = "/apis/run.googleapis.com/v1/namespaces/demo"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Share a localcloud; each test has its own jobs."""
    with localcloud(tmp_path_factory.mktemp("cloud"), *SHELL_IMAGE, "--termination-grace", "1") as running:
        yield running


class V1:
    """A client of the v1 API for one location."""

    def __init__(self, cloud: Cloud, location: str = "here") -> None:
        self._cloud, self._host = cloud, f"{location}-run.local"

    def __call__(self, verb: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        answered, result = self._cloud.rest(verb, f"{BASE}/{path}", body, host=self._host)
        assert answered == status, result
        return result

    def create(self, name: str, script: str) -> Any:
        task = {"containers": [{"image": "shell", "args": [script]}], "maxRetries": 0, "timeoutSeconds": "30"}
        spec = {"template": {"spec": {"taskCount": 2, "template": {"spec": task}}}}
        return self("POST", "jobs", {"kind": "Job", "metadata": {"name": name, "namespace": "demo"}, "spec": spec})


def statuses(resource: Any) -> dict[str, str]:
    return {condition["type"]: condition["status"] for condition in resource["status"]["conditions"]}


def test_job_is_created_executed_and_deleted(cloud: Cloud) -> None:
    v1 = V1(cloud)
    job = v1.create("life", "echo $0")
    assert (statuses(job), job["metadata"]["labels"]["cloud.googleapis.com/location"]) == ({"Ready": "True"}, "here")
    overrides = {"containerOverrides": [{"args": ["echo over"]}], "taskCount": 1}
    execution = v1("POST", "jobs/life:run", {"overrides": overrides})
    name = execution["metadata"]["name"]
    done = wait_until(lambda: (current := v1("GET", f"executions/{name}"))["status"].get("completionTime") and current)
    assert set(statuses(done).values()) == {"True"}
    assert (done["spec"]["taskCount"], done["status"]["succeededCount"]) == (1, 1)
    [task] = v1("GET", f"tasks?labelSelector=run.googleapis.com/execution%20%3D%20{name}")["items"]
    assert task["metadata"]["labels"]["run.googleapis.com/runningState"] == "Succeeded"
    assert v1("GET", f"tasks/{name}-task0")["status"]["lastAttemptResult"]["exitCode"] == 0
    assert cloud.executions.get_execution(name=f"{LOCATION}/jobs/life/executions/{name}").succeeded_count == 1
    v1("DELETE", f"executions/{name}")
    v1("GET", f"executions/{name}", status=404)
    v1("DELETE", "jobs/life")
    missing = v1("GET", "jobs/life", status=404)
    assert missing["error"]["message"] == (
        "Resource 'life' of kind 'JOB' in region 'here' in project 'demo' does not exist."
    )


def test_replace_accepts_the_job_it_returned_once(cloud: Cloud) -> None:
    v1 = V1(cloud)
    job = v1.create("back", "true")
    job["spec"]["template"]["spec"]["parallelism"] = 2
    changed = v1("PUT", "jobs/back", job)
    assert (changed["metadata"]["generation"], changed["spec"]["template"]["spec"]["parallelism"]) == (2, 2)
    refused = v1("PUT", "jobs/back", job, status=409)
    assert refused["error"]["message"].startswith("Conflict for resource 'back': version")


def test_cancelled_execution_has_the_reason_cancelled(cloud: Cloud) -> None:
    v1 = V1(cloud)
    v1.create("stop", "sleep 300")
    name = v1("POST", "jobs/stop:run", {})["metadata"]["name"]
    wait_until(lambda: statuses(v1("GET", f"executions/{name}"))["Started"] == "True")
    v1("POST", f"executions/{name}:cancel", {})
    done = wait_until(lambda: (current := v1("GET", f"executions/{name}"))["status"].get("completionTime") and current)
    assert statuses(done)["Completed"] == "False"
    assert done["status"]["conditions"][-1]["reason"] == "Cancelled"
    assert done["status"]["cancelledCount"] == 2


def test_location_is_taken_from_the_host(cloud: Cloud) -> None:
    here, there = V1(cloud), V1(cloud, "us-central1")
    here.create("both", "true")
    there.create("both", "true")
    there("GET", "jobs/back", status=404)
    assert [job["metadata"]["name"] for job in there("GET", "jobs")["items"]] == ["both"]
    _, everywhere = cloud.rest("GET", f"{BASE}/jobs", host="run.local")
    locations = [job["metadata"]["labels"]["cloud.googleapis.com/location"] for job in everywhere["items"]]
    assert {"here", "us-central1"} <= set(locations)
    status, refused = cloud.rest("GET", f"{BASE}/jobs/both")
    assert (status, "the host must contain the location" in refused["error"]["message"]) == (400, True)


def test_list_jobs_returns_pages(cloud: Cloud) -> None:
    v1 = V1(cloud, "paged")
    for number in range(3):
        v1.create(f"job{number}", "true")
    first = v1("GET", "jobs?limit=2")
    rest = v1("GET", f"jobs?limit=2&continue={first['metadata']['continue']}")
    assert [job["metadata"]["name"] for job in first["items"] + rest["items"]] == ["job0", "job1", "job2"]
    assert rest["metadata"] == {}


def test_public_host_names_are_rejected(cloud: Cloud) -> None:
    """Otherwise, with DNS rebinding, a web page could read the arguments and output of jobs."""
    assert cloud.rest("GET", f"{BASE}/jobs", host="attacker.example:8791")[0] == 403
    for host in ("localhost:1", "[::1]:1", "localcloud:8791", "10.0.0.7", "host.docker.internal:8791"):
        assert cloud.rest("GET", f"{BASE}/jobs", host=host)[0] == 200


def test_discovery_methods_of_gcloud_are_answered(cloud: Cloud) -> None:
    for version in ("v1", "v2"):
        _, answer = cloud.rest("GET", f"/{version}/projects/demo/locations")
        assert [location["locationId"] for location in answer["locations"]] == ["local"]
        assert cloud.rest("GET", f"/{version}/projects/demo/locations/any")[1]["locationId"] == "any"
    assert cloud.rest("GET", "/v1/projects/demo/services/run.googleapis.com")[1]["state"] == "ENABLED"
    assert cloud.rest("GET", "/v1/apps/demo")[1]["locationId"] == "local"
