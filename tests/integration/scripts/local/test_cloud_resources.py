"""The resources of the local stack on a real localcloud, read by Google's client libraries."""

from dataclasses import replace
from pathlib import Path

import pytest

from headwater.config import Settings
from headwater.queue.tickets import QUEUES
from scripts.local.cloud_resources import create_all
from scripts.local.stack import JOB_IMAGE, StackError
from tests.harness.localcloud import LOCATION, Cloud, localcloud
from tests.harness.support import queue_settings

UNUSED = "postgresql+pg8000://app@127.0.0.1:9/none"


def test_resources_are_created_and_existing_ones_updated(tmp_path: Path) -> None:
    with localcloud(tmp_path / "cloud", "--image", f"{JOB_IMAGE}=true") as cloud:
        settings = Settings(database_url=UNUSED, **queue_settings(cloud.url), job_name="headwater", max_tickets=3)
        create_all(settings)
        assert concurrent_tickets(cloud) == [4, 4, 4]
        create_all(replace(settings, max_tickets=1, tick_s=300))
        assert concurrent_tickets(cloud) == [2, 2, 2]
        queue = cloud.client.get_queue(name=f"{LOCATION}/queues/chat")
        retries = queue.retry_config
        assert (retries.max_attempts, retries.min_backoff.seconds, retries.max_backoff.seconds) == (-1, 1, 10)
        assert queue.rate_limits.max_dispatches_per_second == 50
        execution = cloud.jobs.get_job(name=f"{LOCATION}/jobs/headwater").template
        task = execution.template
        assert (execution.task_count, task.max_retries, task.timeout.days) == (1, 3, 1)
        assert [container.image for container in task.containers] == [JOB_IMAGE]
        _, tick = cloud.rest("GET", f"/v1/{LOCATION}/jobs/headwater-tick")
        assert (tick["schedule"], tick["timeZone"], tick["attemptDeadline"]) == ("*/5 * * * *", "Etc/UTC", "180s")
        assert (tick["httpTarget"]["uri"], tick["httpTarget"]["httpMethod"]) == ("http://127.0.0.1:9/cron/tick", "POST")
        assert tick["httpTarget"]["oidcToken"] == {
            "serviceAccountEmail": "tasks@demo.iam.gserviceaccount.com",
            "audience": "http://127.0.0.1:9",
        }
        with pytest.raises(StackError, match=r"refused /v2/\S+/queues/chat with 401"):
            create_all(replace(settings, local_token="another"))


def test_job_whose_image_has_no_command_is_refused(tmp_path: Path) -> None:
    with localcloud(tmp_path / "cloud") as cloud:
        settings = Settings(database_url=UNUSED, **queue_settings(cloud.url), job_name="headwater")
        with pytest.raises(StackError, match=r"jobs/headwater with 200: .*Start localcloud with --image"):
            create_all(settings)


def test_missing_localcloud_is_named() -> None:
    url = "http://127.0.0.1:9"
    with pytest.raises(StackError, match=rf"No answer of localcloud to POST {url}/v2/\S+/queues: .*Connection refused"):
        create_all(Settings(database_url=UNUSED, **queue_settings(url)))


def concurrent_tickets(cloud: Cloud) -> list[int]:
    return [
        cloud.client.get_queue(name=f"{LOCATION}/queues/{name}").rate_limits.max_concurrent_dispatches
        for name in QUEUES
    ]
