"""Creates the queues on localcloud, through the stock Cloud Tasks client: `python -m scripts.queues`.

What `gcloud tasks queues create` does for a deployment. Two tickets of a queue are served at once, enough for a
laptop's cores; a failed ticket comes back within seconds, and never stops coming.
"""

from datetime import timedelta

from google.api_core.client_options import ClientOptions
from google.api_core.exceptions import Conflict
from google.auth.credentials import AnonymousCredentials
from google.cloud import tasks_v2

from headwater.config import get_settings
from headwater.tickets import QUEUES


def main() -> None:
    """Create each queue, or bring it up to date."""
    settings = get_settings()
    client = tasks_v2.CloudTasksClient(
        transport="rest",
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
        client_options=ClientOptions(api_endpoint=settings.tasks_endpoint),
    )
    location = f"projects/{settings.google_cloud_project}/locations/{settings.cloud_region}"
    for name in QUEUES:
        queue = tasks_v2.Queue(
            name=f"{location}/queues/{name}",
            rate_limits=tasks_v2.RateLimits(max_dispatches_per_second=50, max_concurrent_dispatches=2),
            retry_config=tasks_v2.RetryConfig(
                max_attempts=-1, min_backoff=timedelta(seconds=1), max_backoff=timedelta(seconds=10)
            ),
        )
        try:
            client.create_queue(parent=location, queue=queue)
        except Conflict:
            client.update_queue(queue=queue)


if __name__ == "__main__":
    main()
