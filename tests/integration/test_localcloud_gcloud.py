"""The real gcloud against localcloud, where gcloud is installed."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cloud import Cloud, Target, http_target, localcloud

GCLOUD = shutil.which("gcloud")
Gcloud = Callable[..., str]

pytestmark = pytest.mark.skipif(GCLOUD is None, reason="gcloud is not installed")


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    """Run a localcloud."""
    with localcloud(tmp_path / "data") as running:
        yield running


@pytest.fixture
def target() -> Iterator[Target]:
    """Serve a target."""
    with http_target() as running:
        yield running


@pytest.fixture
def gcloud(tmp_path: Path, cloud: Cloud) -> Gcloud:
    """Return a function that runs `gcloud tasks …` in a configuration of its own and returns its stdout."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "CLOUDSDK_CONFIG": str(tmp_path / "gcloud"),
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
        "CLOUDSDK_CORE_PROJECT": "demo",
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDTASKS": f"{cloud.url}/",
    }

    def run(*arguments: str) -> str:
        command = [str(GCLOUD), "tasks", *arguments, "--location=here", "--format=json"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_gcloud_makes_a_queue_and_a_task_in_it(gcloud: Gcloud, cloud: Cloud, target: Target) -> None:
    gcloud("queues", "create", "q", "--max-attempts=5", "--min-backoff=1s", "--max-concurrent-dispatches=3")
    described = json.loads(gcloud("queues", "describe", "q"))
    assert described["retryConfig"]["maxAttempts"] == 5
    assert described["retryConfig"]["minBackoff"] == "1s"
    assert described["rateLimits"]["maxConcurrentDispatches"] == 3
    assert [queue["name"] for queue in json.loads(gcloud("queues", "list"))] == [described["name"]]
    gcloud("queues", "update", "q", "--max-attempts=7", "--clear-min-backoff")
    gcloud("queues", "pause", "q")
    create = ("create-http-task", "t", "--queue=q", f"--url={target.url}", "--body-content=hello")
    gcloud(*create, "--header=Content-Type:text/plain", "--oidc-service-account-email=a@demo.iam.gserviceaccount.com")
    queue = cloud.client.get_queue(name="projects/demo/locations/here/queues/q")
    assert (queue.state.name, queue.retry_config.max_attempts) == ("PAUSED", 7)
    assert queue.retry_config.min_backoff.total_seconds() == 0.1
    assert target.hits == []
    cloud.client.resume_queue(name=queue.name)
    [hit] = target.wait_for(1)
    assert (hit.body, hit.headers["Content-Type"]) == (b"hello", "text/plain")
    assert hit.headers["Authorization"].endswith(".SIGNATURE_REMOVED_BY_GOOGLE")
