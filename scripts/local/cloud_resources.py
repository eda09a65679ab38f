"""Create the local stack's queues, job and schedule on localcloud, through Google's client libraries.

    python -m scripts.local.cloud_resources

Creates three queues, the job `headwater` and the schedule `headwater-tick`, as a deployment does on Google Cloud, and
updates existing ones. A queue delivers two tickets at once, enough for a laptop's cores, and retries failed ones within
seconds and without end.
"""

from datetime import timedelta
from typing import Any

from google.api_core.exceptions import Conflict
from google.cloud import run_v2, scheduler_v1, tasks_v2

from headwater.config import Settings, get_settings
from headwater.google_clients import connection
from headwater.queue.tickets import QUEUES
from scripts.local.stack import JOB_IMAGE


def main() -> None:
    """Create or update all resources."""
    create_all(get_settings())


def create_all(settings: Settings) -> None:
    """Create or update the queues, the job and the schedule of these settings."""
    location = f"projects/{settings.google_cloud_project}/locations/{settings.cloud_region}"
    localcloud = connection(settings, settings.tasks_endpoint)
    _create_queues(tasks_v2.CloudTasksClient(**localcloud), location, settings.max_tickets)
    if settings.job_name:
        _create_job(run_v2.JobsClient(**localcloud), location, settings.job_name)
    _create_schedule(scheduler_v1.CloudSchedulerClient(**localcloud), location, settings)


def _create_queues(client: Any, location: str, tickets: int) -> None:
    at_once = tickets + 1  # the watchdog must not wait for slow tickets
    for name in QUEUES:
        queue = tasks_v2.Queue(
            name=f"{location}/queues/{name}",
            rate_limits=tasks_v2.RateLimits(max_dispatches_per_second=50, max_concurrent_dispatches=at_once),
            retry_config=tasks_v2.RetryConfig(
                max_attempts=-1, min_backoff=timedelta(seconds=1), max_backoff=timedelta(seconds=10)
            ),
        )
        try:
            client.create_queue(parent=location, queue=queue)
        except Conflict:
            client.update_queue(queue=queue)


def _create_job(client: Any, location: str, name: str) -> None:
    task = run_v2.TaskTemplate(
        containers=[run_v2.Container(image=JOB_IMAGE)], max_retries=3, timeout=timedelta(hours=24)
    )
    job = run_v2.Job(template=run_v2.ExecutionTemplate(task_count=1, template=task))
    try:
        client.create_job(parent=location, job=job, job_id=name).result()
    except Conflict:
        job.name = f"{location}/jobs/{name}"
        client.update_job(job=job).result()


def _create_schedule(client: Any, location: str, settings: Settings) -> None:
    url = settings.collection_url.rstrip("/")
    schedule = scheduler_v1.Job(
        name=f"{location}/jobs/headwater-tick",
        description="Starts sources that are due and repairs runs after a crash.",
        schedule=f"*/{max(1, round(settings.tick_s / 60))} * * * *",
        time_zone="Etc/UTC",
        attempt_deadline=timedelta(minutes=3),
        retry_config=scheduler_v1.RetryConfig(retry_count=3),
        http_target=scheduler_v1.HttpTarget(
            uri=f"{url}/cron/tick",
            http_method=scheduler_v1.HttpMethod.POST,
            oidc_token=scheduler_v1.OidcToken(service_account_email=settings.invoker_service_account, audience=url),
        ),
    )
    try:
        client.create_job(parent=location, job=schedule)
    except Conflict:
        client.update_job(job=schedule)


if __name__ == "__main__":
    main()
