"""The token: without it, no method of a running localcloud is called."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

from localcloud.rest.discovery import Discovery
from localcloud.rest.router import Route
from localcloud.run.api import CloudRunJobs
from localcloud.run.execution.images import Images
from localcloud.run.records import SCHEMA as RUN_SCHEMA
from localcloud.scheduler.api import CloudScheduler
from localcloud.scheduler.records import SCHEMA as SCHEDULER_SCHEMA
from localcloud.store import open_store
from localcloud.targets.outbound import Outbound
from localcloud.tasks.api import CloudTasks, Limits
from localcloud.tasks.records import SCHEMA as TASKS_SCHEMA
from tests.harness.local_token import AUTHORIZATION, LOCAL_TOKEN
from tests.harness.localcloud import LOCATION, SHELL_IMAGE, Cloud, localcloud, wait_until

WRONG = ["", "Bearer", f"Basic {LOCAL_TOKEN}", f"Bearer {LOCAL_TOKEN}x", f"Bearer {LOCAL_TOKEN[:-1]}", "Bearer \xff"]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with localcloud(tmp_path_factory.mktemp("cloud"), *SHELL_IMAGE, "--sign-tokens") as running:
        yield running


@pytest.fixture(scope="module")
def http() -> Iterator[urllib3.PoolManager]:
    with urllib3.PoolManager() as pool:
        yield pool


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> list[Route]:
    """All methods of the three services."""
    folder = tmp_path_factory.mktemp("services")
    store, outbound = open_store(folder, [TASKS_SCHEMA, RUN_SCHEMA, SCHEDULER_SCHEMA]), Outbound()
    services = (
        CloudTasks(store, outbound, Limits()),
        CloudRunJobs(store, folder, Images({}), grace_s=1),
        CloudScheduler(store, outbound),
    )
    store.close()
    return [*Discovery("here").routes, *(route for service in services for route in service.routes)]


def test_every_method_requires_the_token(cloud: Cloud, http: urllib3.PoolManager, routes: list[Route]) -> None:
    assert len(routes) > 70
    for route in routes:
        path = re.sub(r"\{\w+=([^}]+)\}", r"\1", route.template).replace("*", "x")
        for target in (cloud.url + path, f"{cloud.url}{path}?$alt=json"):
            response = http.request(route.verb, target, body=b"{}", retries=False)
            assert response.status == 401, route
            error = response.json()["error"]
            assert (error["code"], error["status"]) == (401, "UNAUTHENTICATED"), "the shape of Google's errors"
            assert response.headers["WWW-Authenticate"].startswith("Bearer")
        assert http.request(route.verb, cloud.url + path, body=b"{}", headers=AUTHORIZATION).status != 401, route


@pytest.mark.parametrize("authorization", WRONG)
def test_wrong_token_runs_and_creates_nothing(cloud: Cloud, http: urllib3.PoolManager, authorization: str) -> None:
    job = cloud.create_job(f"j{WRONG.index(authorization)}", "echo ran")
    headers = {"Authorization": authorization.encode("latin-1").decode("latin-1")}
    url = f"{cloud.url}/v2/{job}:run"
    assert http.request("POST", url, body=b"{}", headers=headers).status == 401
    task = b'{"task": {"httpRequest": {"url": "http://127.0.0.1:9/"}}}'
    queue = cloud.create_queue(f"q{WRONG.index(authorization)}")
    cloud.client.pause_queue(name=queue)
    assert http.request("POST", f"{cloud.url}/v2/{queue}/tasks", body=task, headers=headers).status == 401
    assert http.request("DELETE", f"{cloud.url}/v2/{queue}", headers=headers).status == 401
    assert list(cloud.executions.list_executions(parent=job)) == []
    assert cloud.task_ids(queue) == []


def test_token_is_required_before_the_body_is_read(cloud: Cloud, http: urllib3.PoolManager) -> None:
    headers = {"Content-Length": str(10 * 1024**3)}
    assert http.request("POST", f"{cloud.url}/v2/{LOCATION}/queues", headers=headers).status == 401


def test_proxied_requests_require_the_token(cloud: Cloud) -> None:
    """As gcloud sends them: in absolute form."""
    with urllib3.ProxyManager(cloud.url) as proxy:
        url = f"http://cloudtasks.local/v2/{LOCATION}/queues"
        assert proxy.request("GET", url).status == 401
        assert proxy.request("GET", url, headers=AUTHORIZATION).status == 200
        assert proxy.request("GET", "http://x.local/heartbeat/../v2/projects/x/locations").status == 401


def test_public_methods_need_no_token(cloud: Cloud, http: urllib3.PoolManager) -> None:
    for path in ("/heartbeat", "/oauth2/v3/certs"):
        assert http.request("GET", cloud.url + path).status == 200
        assert http.request("POST", cloud.url + path).status == 401
        assert http.request("GET", f"{cloud.url}{path}/../v2/projects/x/locations").status == 401


def test_job_run_by_a_schedule_needs_no_token(cloud: Cloud) -> None:
    """localcloud answers the request itself; it does not leave the process."""
    job = cloud.create_job("scheduled", "echo good morning")
    target = {"uri": f"https://run.googleapis.com/v2/{job}:run", "httpMethod": "POST"}
    name = f"{LOCATION}/jobs/nightly"
    cloud.rest("POST", f"/v1/{LOCATION}/jobs", {"name": name, "schedule": "0 3 * * *", "httpTarget": target})
    cloud.rest("POST", f"/v1/{name}:run")
    [execution] = wait_until(lambda: list(cloud.executions.list_executions(parent=job)))
    cloud.wait_for_output(execution.name, "good morning")


def test_files_are_private_whatever_they_were_before(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    with localcloud(data, *SHELL_IMAGE, "--sign-tokens") as cloud:
        execution = cloud.execute(cloud.create_job("j", f"touch {data}/made; echo output", timeout={"seconds": 20}))
        cloud.wait_for_output(execution, "output")
    files = list(data.rglob("*"))
    assert len(files) >= 4
    assert [path for path in (data, *files) if path.stat().st_mode & 0o077] == []
