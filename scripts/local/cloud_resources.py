"""Create the local stack's queues, job and schedule on localcloud, by Google's REST APIs.

    python -m scripts.local.cloud_resources

Creates a queue for each function, the job `headwater` and the schedule `headwater-tick`, as a deployment does on Google
Cloud, and updates existing ones. A queue delivers two tickets at once, enough for a laptop's cores, and retries failed
ones within seconds and without end. To import Google's client libraries would take half a second of processor time.
"""

import http.client
import json
import sys
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from headwater.config import Settings, get_settings
from scripts.local.stack import FUNCTIONS, JOB_IMAGE, StackError

TIMEOUT_S = 60.0


def main() -> None:
    """Create or update all resources."""
    try:
        create_all(get_settings())
    except StackError as error:
        sys.exit(str(error))


def create_all(settings: Settings) -> None:
    """Create or update the queues, the job and the schedule of these settings. Raises StackError if that fails."""
    location = f"projects/{settings.google_cloud_project}/locations/{settings.cloud_region}"
    for name in FUNCTIONS:
        queue = f"{location}/queues/{name}"
        _create(settings, f"/v2/{location}/queues", f"/v2/{queue}", {"name": queue, **_queue(settings.max_tickets)})
    if settings.job_name:
        jobs = f"/v2/{location}/jobs"
        _create(settings, f"{jobs}?jobId={settings.job_name}", f"{jobs}/{settings.job_name}", _job())
    schedule = f"{location}/jobs/headwater-tick"
    _create(settings, f"/v1/{location}/jobs", f"/v1/{schedule}", {"name": schedule, **_schedule(settings)})


def _queue(tickets: int) -> Mapping[str, Any]:
    at_once = tickets + 1  # the watchdog must not wait for slow tickets
    return {
        "rateLimits": {"maxDispatchesPerSecond": 50, "maxConcurrentDispatches": at_once},
        "retryConfig": {"maxAttempts": -1, "minBackoff": "1s", "maxBackoff": "10s"},
    }


def _job() -> Mapping[str, Any]:
    task = {"containers": [{"image": JOB_IMAGE}], "maxRetries": 3, "timeout": f"{24 * 3600}s"}
    return {"template": {"taskCount": 1, "template": task}}


def _schedule(settings: Settings) -> Mapping[str, Any]:
    url = settings.collection_url.rstrip("/")
    return {
        "description": "Starts sources that are due and repairs runs after a crash.",
        "schedule": f"*/{max(1, round(settings.tick_s / 60))} * * * *",
        "timeZone": "Etc/UTC",
        "attemptDeadline": "180s",
        "retryConfig": {"retryCount": 3},
        "httpTarget": {
            "uri": f"{url}/cron/tick",
            "httpMethod": "POST",
            "oidcToken": {"serviceAccountEmail": settings.invoker_service_account, "audience": url},
        },
    }


def _create(settings: Settings, collection: str, name: str, body: Mapping[str, Any]) -> None:
    """Create a resource, or update the existing one."""
    status, answer = _send(settings, "POST", collection, body)
    if status == http.client.CONFLICT:
        status, answer = _send(settings, "PATCH", name, body)
    # Cloud Run answers with an operation, which localcloud has ended by then.
    if status != http.client.OK or "error" in answer:
        raise StackError(f"localcloud refused {name} with {status}: {json.dumps(answer)}")


def _send(settings: Settings, method: str, path: str, body: Mapping[str, Any]) -> tuple[int, Any]:
    """Send a request without any proxy. Returns status and parsed body."""
    connection = http.client.HTTPConnection(urlsplit(settings.tasks_endpoint).netloc, timeout=TIMEOUT_S)
    headers = {"Content-Type": "application/json"}
    if settings.local_token:
        headers["Authorization"] = f"Bearer {settings.local_token}"
    try:
        connection.request(method, path, json.dumps(body), headers)
        response = connection.getresponse()
        return response.status, json.load(response)
    except (OSError, http.client.HTTPException, ValueError) as error:
        url = f"{settings.tasks_endpoint}{path}"
        raise StackError(f"No answer of localcloud to {method} {url}: {error}. Its log says why.") from error
    finally:
        connection.close()


if __name__ == "__main__":
    main()
