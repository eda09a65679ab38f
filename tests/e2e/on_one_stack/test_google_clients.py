"""Create a deployment's resources in the running stack with gcloud and Google's client libraries, and collect."""

import json
import os
import shutil
import subprocess
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.api_core.client_options import ClientOptions
from google.cloud import run_v2, scheduler_v1, tasks_v2
from google.oauth2.credentials import Credentials

from tests.harness.corpus import FILES
from tests.harness.gcloud_server import gcloud_server
from tests.harness.localcloud import Gcloud
from tests.harness.paths import ROOT
from tests.harness.pipeline import Repository
from tests.harness.stacks import RunningStack, wait_until

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes repositories with it")

PLACE = "projects/local/locations/local"
ACCOUNT = "headwater@local.iam.gserviceaccount.com"


def call(stack: RunningStack, method: str, path: str, body: Any = None) -> Any:
    """Call the collection function."""
    data = None if body is None else json.dumps(body).encode()
    url = f"http://127.0.0.1:{stack.ports['collection']}{path}"
    headers = {"Content-Type": "application/json"} | stack.authorization
    request = urllib.request.Request(url, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.loads(response.read())


def add_source(stack: RunningStack, folder: Path, files: dict[str, Any]) -> str:
    repository = Repository(folder)
    repository.write(files)
    new = {"kind": "git", "name": uuid.uuid4().hex, "config": {"url": repository.url}}
    return str(call(stack, "POST", "/api/sources", new)["id"])


def last_run(stack: RunningStack, source_id: str) -> dict[str, Any]:
    run: dict[str, Any] = call(stack, "GET", f"/api/sources/{source_id}")["last_run"]
    return run


@pytest.fixture
def gcloud(stack: RunningStack) -> Iterator[Callable[..., str]]:
    """Run the real gcloud against the stack, through scripts/gcloud-local."""
    with gcloud_server() as folder:
        environment = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}

        def run(*arguments: str) -> str:
            command = [str(ROOT / "scripts" / "gcloud-local"), "--data", str(stack.data), *arguments]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
            assert done.returncode == 0, done.stderr
            return done.stdout

        yield run


@pytest.mark.skipif(Gcloud.is_missing(), reason="needs gcloud: it is not installed")
def test_gcloud_creates_queue_job_and_schedule_and_collects(
    stack: RunningStack, gcloud: Callable[..., str], tmp_path: Path
) -> None:
    source_id = add_source(stack, tmp_path / "larder", FILES)
    gcloud("tasks", "queues", "create", "more", "--max-concurrent-dispatches=2", "--min-backoff=1s")
    gcloud("run", "jobs", "delete", "headwater")
    settings = ("--image=europe-docker.pkg.dev/p/r/headwater-job:v1", "--max-retries=3", "--task-timeout=1h")
    gcloud("run", "jobs", "deploy", "headwater", *settings)
    gcloud("run", "jobs", "execute", "headwater", f"--args=collect,--source={source_id}", "--tasks=2", "--wait")
    run = last_run(stack, source_id)
    assert (run["state"], run["engine"], run["trigger"]) == ("succeeded", "job", "job")
    assert run["counts"]["added"] == len(FILES)
    [execution] = json.loads(gcloud("run", "jobs", "executions", "list", "--job=headwater", "--format=json"))
    assert (execution["metadata"]["name"], execution["status"]["succeededCount"]) == (run["execution"], 2)
    url = f"http://127.0.0.1:{stack.ports['collection']}"
    gcloud("scheduler", "jobs", "delete", "headwater-tick")
    every = ("--schedule=*/15 * * * *", "--time-zone=Etc/UTC", "--attempt-deadline=180s")
    identity = (f"--oidc-service-account-email={ACCOUNT}", f"--oidc-token-audience={url}")
    target = (f"--uri={url}/cron/tick", "--http-method=POST")
    gcloud("scheduler", "jobs", "create", "http", "headwater-tick", *every, *target, *identity)
    before = ticks(stack)
    gcloud("scheduler", "jobs", "run", "headwater-tick")
    wait_until(lambda: ticks(stack) > before)


def connection_to(stack: RunningStack) -> dict[str, Any]:
    """Return the arguments that connect one of Google's clients to the stack's localcloud."""
    return {
        "transport": "rest",
        "credentials": Credentials(stack.token),  # type: ignore[no-untyped-call]
        "client_options": ClientOptions(api_endpoint=f"http://127.0.0.1:{stack.ports['localcloud']}"),
    }


def ticks(stack: RunningStack) -> int:
    """Count the ticks that the collection function has handled."""
    entries = stack.log_entries("collection")
    return sum((entry.get("path"), entry.get("status")) == ("/cron/tick", 200) for entry in entries)


def test_client_libraries_create_queue_job_and_schedule_and_collect(stack: RunningStack, tmp_path: Path) -> None:
    connection = connection_to(stack)
    queues: Any = tasks_v2.CloudTasksClient(**connection)
    assert queues.create_queue(parent=PLACE, queue={"name": f"{PLACE}/queues/yet-more"}).state.name == "RUNNING"
    source_id = add_source(stack, tmp_path / "larder", FILES)
    jobs: Any = run_v2.JobsClient(**connection)
    container = {"image": "headwater-job", "args": ["collect", f"--source={source_id}"]}
    template = {"task_count": 2, "template": {"containers": [container], "max_retries": 0}}
    created = jobs.create_job(parent=PLACE, job={"template": template}, job_id=f"j{uuid.uuid4().hex[:8]}").result()
    ended = jobs.run_job(name=created.name).result(timeout=120)
    run = last_run(stack, source_id)
    assert (run["state"], run["execution"]) == ("succeeded", ended.name.rpartition("/")[2])
    assert (ended.succeeded_count, run["counts"]["added"]) == (2, len(FILES))
    schedules: Any = scheduler_v1.CloudSchedulerClient(**connection)
    url = f"http://127.0.0.1:{stack.ports['collection']}"
    target = {
        "uri": f"{url}/cron/tick",
        "http_method": "POST",
        "oidc_token": {"service_account_email": ACCOUNT, "audience": url},
    }
    yearly = {"schedule": "0 3 1 1 *", "time_zone": "Etc/UTC", "http_target": target}
    schedule = schedules.create_job(parent=PLACE, job=yearly)
    before = ticks(stack)
    schedules.run_job(name=schedule.name)
    wait_until(lambda: ticks(stack) > before)
    for client in (queues, jobs, schedules):
        client.transport.close()


def test_large_collect_is_run_by_the_job(stack: RunningStack, tmp_path: Path) -> None:
    files = {f"n{number:04}.md": f"# Note {number}\n\nThe mark is {number}.\n" for number in range(1001)}
    source_id = add_source(stack, tmp_path / "notes", files)
    call(stack, "POST", f"/api/sources/{source_id}/collect")
    wait_until(lambda: last_run(stack, source_id)["state"] != "running")
    run = last_run(stack, source_id)
    assert (run["state"], run["engine"], run["trigger"]) == ("succeeded", "job", "api")
    assert (run["counts"]["added"], run["notice"]) == (1001, None)
    executions: Any = run_v2.ExecutionsClient(**connection_to(stack))
    name = f"{PLACE}/jobs/headwater/executions/{run['execution']}"
    wait_until(lambda: executions.get_execution(name=name).completion_time)
    assert executions.get_execution(name=name).succeeded_count >= 1
    executions.transport.close()
    assert len(call(stack, "GET", f"/api/runs?source_id={source_id}")["runs"]) == 1, "the job starts no second run"
