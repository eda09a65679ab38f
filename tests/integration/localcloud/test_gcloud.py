"""The real gcloud with localcloud, through `scripts/gcloud-local`. Skipped without gcloud."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.http_target import Target, http_target
from tests.harness.gcloud_server import gcloud_server
from tests.harness.localcloud import SHELL_IMAGE, Cloud, Gcloud, localcloud, wait_until
from tests.harness.paths import ROOT

PLACE = "projects/local/locations/local"

needs_gcloud = pytest.mark.skipif(Gcloud.is_missing(), reason="needs gcloud: it is not installed")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Share a localcloud; each test has its own resources."""
    with localcloud(tmp_path_factory.mktemp("cloud"), *SHELL_IMAGE, "--termination-grace", "1") as running:
        yield running


@pytest.fixture
def target() -> Iterator[Target]:
    """Start a target."""
    with http_target() as running:
        yield running


@pytest.fixture(scope="module")
def gcloud(tmp_path_factory: pytest.TempPathFactory, cloud: Cloud) -> Iterator[Gcloud]:
    """Share a gcloud configuration, and a process that has imported gcloud."""
    with gcloud_server() as folder:
        yield Gcloud(cloud, tmp_path_factory.mktemp("gcloud"), folder)


@needs_gcloud
def test_gcloud_creates_a_queue_and_a_task(gcloud: Gcloud, cloud: Cloud, target: Target) -> None:
    tasks = ("tasks", "queues")
    gcloud(*tasks, "create", "q", "--max-attempts=5", "--min-backoff=1s", "--max-concurrent-dispatches=3")
    [listed] = gcloud.json(*tasks, "list")
    assert listed["name"] == "projects/local/locations/local/queues/q"
    assert listed["retryConfig"]["maxAttempts"] == 5
    assert listed["retryConfig"]["minBackoff"] == "1s"
    assert listed["rateLimits"]["maxConcurrentDispatches"] == 3
    gcloud(*tasks, "update", "q", "--max-attempts=7", "--clear-min-backoff")
    cloud.client.pause_queue(name=listed["name"])
    create = ("create-http-task", "t", "--queue=q", f"--url={target.url}", "--body-content=hello")
    identity = "--oidc-service-account-email=a@local.iam.gserviceaccount.com"
    gcloud("tasks", *create, "--header=Content-Type:text/plain", identity)
    queue = cloud.client.get_queue(name=listed["name"])
    assert (queue.state.name, queue.retry_config.max_attempts) == ("PAUSED", 7)
    assert queue.retry_config.min_backoff.total_seconds() == 0.1
    assert target.hits == []
    cloud.client.resume_queue(name=queue.name)
    [hit] = target.wait_for(1)
    assert (hit.body, hit.headers["Content-Type"]) == (b"hello", "text/plain")
    assert hit.headers["Authorization"].endswith(".SIGNATURE_REMOVED_BY_GOOGLE")


@needs_gcloud
def test_gcloud_deploys_and_executes_a_job(gcloud: Gcloud, cloud: Cloud) -> None:
    jobs = ("run", "jobs")
    settings = ("--image=gcr.io/p/shell:v1", "--max-retries=1", "--task-timeout=30", "--memory=1Gi")
    gcloud(*jobs, "deploy", "j", *settings, "--set-env-vars=A=a,B=b", "--args=exit 1")
    gcloud(*jobs, "deploy", "j", "--image=gcr.io/p/shell:v1", "--update-secrets=PATH=path:latest")
    script = 'echo "$0 $A$B $CLOUD_RUN_TASK_INDEX/$CLOUD_RUN_TASK_COUNT"'
    overrides = (f"--args={script},arg", "--tasks=2", "--update-env-vars=B=c")
    done = gcloud.json(*jobs, "execute", "j", *overrides, "--wait")
    assert (done["status"]["succeededCount"], done["spec"]["taskCount"]) == (2, 2)
    name = done["metadata"]["name"]
    assert [cloud.logs(name, task) for task in (0, 1)] == ["arg ac 0/2\n", "arg ac 1/2\n"]
    logs = gcloud(*jobs, "logs", "read", "j")
    assert sorted(line.split(" ", 2)[2] for line in logs.splitlines()) == ["arg ac 0/2", "arg ac 1/2"]
    failed = gcloud.run(*jobs, "execute", "j", "--wait")
    assert (failed.returncode, "The execution failed" in failed.stderr) == (1, True)


@needs_gcloud
def test_gcloud_cancels_an_execution_and_deletes_the_job(gcloud: Gcloud, cloud: Cloud) -> None:
    jobs = ("run", "jobs")
    script = "trap 'echo stopping; exit 0' TERM; echo started; while :; do sleep 0.05; done"
    container = {"image": "shell", "args": [script]}
    cloud.rest("POST", f"/v2/{PLACE}/jobs?jobId=stop", {"template": {"template": {"containers": [container]}}})
    name = cloud.execute(f"{PLACE}/jobs/stop").rpartition("/")[2]
    cloud.wait_for_output(name, "started")
    gcloud(*jobs, "executions", "cancel", name)
    assert "stopping" in cloud.logs(name)
    [listed] = gcloud.json(*jobs, "executions", "list", "--job=stop")
    assert (listed["metadata"]["name"], listed["status"]["conditions"][-1]["reason"]) == (name, "Cancelled")
    gcloud(*jobs, "delete", "stop")
    assert cloud.rest("GET", f"/localcloud/executions/{name}/logs")[0] == 404
    missing = gcloud.run(*jobs, "deploy", "lost", "--image=gcr.io/p/unknown")
    assert (missing.returncode, "Image 'gcr.io/p/unknown' not found" in missing.stderr) == (1, True)


@needs_gcloud
def test_gcloud_schedules_requests_and_job_executions(gcloud: Gcloud, cloud: Cloud, target: Target) -> None:
    scheduler = ("scheduler", "jobs")
    every = ("--schedule=0 3 * * *", "--time-zone=Europe/Berlin", "--max-retry-attempts=2", "--attempt-deadline=60s")
    identity = "--oidc-service-account-email=a@local.iam.gserviceaccount.com"
    gcloud(*scheduler, "create", "http", "s", *every, f"--uri={target.url}", "--message-body=hi", identity)
    gcloud(*scheduler, "update", "http", "s", "--schedule=30 4 * * MON", "--update-headers=X-Own=1")
    gcloud(*scheduler, "pause", "s")
    [listed] = gcloud.json(*scheduler, "list")
    assert (listed["schedule"], listed["state"]) == ("30 4 * * MON", "PAUSED")
    assert (listed["attemptDeadline"], listed["retryConfig"]["retryCount"]) == ("60s", 2)
    cloud.rest("POST", f"/v1/{PLACE}/jobs/s:run")
    [hit] = target.wait_for(1)
    assert (hit.body, hit.headers["X-CloudScheduler-JobName"], hit.headers["X-Own"]) == (b"hi", "s", "1")
    container = {"image": "shell", "args": ["echo good morning"]}
    cloud.rest("POST", f"/v2/{PLACE}/jobs?jobId=nightly", {"template": {"template": {"containers": [container]}}})
    url = f"https://run.googleapis.com/v2/{PLACE}/jobs/nightly:run"
    account = "--oauth-service-account-email=a@local.iam.gserviceaccount.com"
    gcloud(*scheduler, "update", "http", "s", f"--uri={url}", "--message-body={}", account)
    gcloud(*scheduler, "run", "s")
    [execution] = wait_until(lambda: list(cloud.executions.list_executions(parent=f"{PLACE}/jobs/nightly")))
    cloud.wait_for_output(execution.name, "good morning")


def gcloud_local(*arguments: str, path: str | None = None) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PATH": path or os.environ["PATH"]}
    command = [str(ROOT / "scripts" / "gcloud-local"), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)


@needs_gcloud
def test_gcloud_local_fails_at_once_if_localcloud_is_down(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("export AUTH_MODE=local\nexport TASKS_ENDPOINT='http://127.0.0.1:1'\n")
    done = gcloud_local("--data", str(tmp_path), "tasks", "queues", "list")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("gcloud-local: localcloud doesn't answer at http://127.0.0.1:1. ")


def test_gcloud_local_fails_if_gcloud_is_not_installed(tmp_path: Path) -> None:
    for tool in ("sh", "dirname", "readlink"):
        (tmp_path / tool).symlink_to(f"/bin/{tool}" if Path(f"/bin/{tool}").exists() else f"/usr/bin/{tool}")
    done = gcloud_local("run", "jobs", "list", path=str(tmp_path))
    assert (done.returncode, done.stderr) == (
        1,
        "gcloud-local: gcloud is not installed. See https://cloud.google.com/sdk/docs/install\n",
    )
