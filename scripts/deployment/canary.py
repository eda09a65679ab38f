"""Watch a canary: repeat the smoke test, and compare the error rates of new and old revisions.

    python3 -m scripts.deployment.canary --project=PROJECT --region=REGION --minutes=10 SERVICE…
    python3 -m scripts.deployment.canary --url=https://DOMAIN --worker=NAME --version=ID --minutes=10

Ends with an error as soon as a canary does worse; `scripts/deploy` then sends its traffic back. Cloud Monitoring counts
the requests of services, up to three minutes late. The Worker's requests are not counted: that would take a Cloudflare
token with another permission.
"""

import argparse
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from headwater.auth.api_keys import make_key
from scripts.deployment.cloud.failures import DeploymentError
from scripts.deployment.cloud.read_cloud import GoogleCloud, Json, connect
from scripts.deployment.resources.services import candidate, shares
from scripts.deployment.smoke import check_candidate

INTERVAL_S = 30.0
MIN_ERRORS = 3
MARGIN = 0.01
"""A canary fails with at least three errors, and an error rate of one percentage point above the old revision's."""

_TIMEOUT_S = 60.0
_ATTEMPTS = 3


@dataclass(frozen=True)
class Requests:
    """Requests of a revision, and those of them that ended with a 5xx."""

    total: int = 0
    errors: int = 0

    @property
    def rate(self) -> float:
        """The share of errors."""
        return self.errors / self.total if self.total else 0.0


def main() -> None:
    """Watch services or the Worker for some minutes; exit with a message on stderr if a canary fails."""
    parser = argparse.ArgumentParser(prog="canary", description="Watch new revisions that get a part of the traffic.")
    parser.add_argument("--project", default="")
    parser.add_argument("--region", default="")
    parser.add_argument("--url", default="")
    parser.add_argument("--worker", default="")
    parser.add_argument("--version", default="")
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("services", nargs="*", metavar="SERVICE")
    options = parser.parse_args()
    try:
        if options.services:
            probe = _services_probe(connect(options.project), options.region, options.services)
        else:
            probe = partial(worker_problem, options.url, options.worker, options.version)
        watch(probe, options.minutes)
    except DeploymentError as error:
        sys.exit(f"canary: {error.problem}\nnext: {error.next_step}")
    except KeyboardInterrupt:
        sys.exit("canary: interrupted")


def watch(
    probe: Callable[[], str],
    minutes: float,
    *,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Probe at once, then every 30 seconds. Raises DeploymentError for the first problem."""
    ends_at = now() + minutes * 60
    while True:
        if problem := probe():
            raise DeploymentError(problem, "its traffic is sent back to the old one; fix it, then run again")
        if now() >= ends_at:
            return
        sleep(INTERVAL_S)


def verdict(name: str, new: Requests, old: Requests) -> str:
    """Return why a revision is worse than the old one, '' if it isn't."""
    if new.errors < MIN_ERRORS or new.rate <= old.rate + MARGIN:
        return ""
    return (
        f"{name}: {new.errors} of {new.total} requests failed ({new.rate:.1%}); "
        f"in the old revision {old.errors} of {old.total} ({old.rate:.1%})"
    )


def count_requests(series: Iterable[Json]) -> dict[str, Requests]:
    """Sum time series of Cloud Monitoring by revision."""
    total: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    for each in series:
        revision = str(each["resource"]["labels"]["revision_name"])
        count = sum(int(point["value"]["int64Value"]) for point in each.get("points", []))
        total[revision] += count
        errors[revision] += count if each["metric"]["labels"]["response_code_class"] == "5xx" else 0
    return {revision: Requests(total[revision], errors[revision]) for revision in total}


def _services_probe(google: GoogleCloud, region: str, names: list[str]) -> Callable[[], str]:
    started = datetime.now(UTC)
    path = f"/apis/serving.knative.dev/v1/namespaces/{google.project}/services"
    services = {name: google.get(f"{region}-run", f"{path}/{name}") or {} for name in names}
    canaries = {name: str((candidate(service) or {}).get("revisionName", "")) for name, service in services.items()}

    def probe() -> str:
        with ThreadPoolExecutor(len(services)) as threads:
            list(threads.map(lambda name: check_candidate(name, services[name], google), services))
        found = count_requests(_read_series(google, names, started))
        problems = (_compare(name, canaries[name], services[name], found) for name in names)
        return "; ".join(problem for problem in problems if problem)

    return probe


def _compare(name: str, canary: str, service: Json, found: Mapping[str, Requests]) -> str:
    others = [found.get(revision, Requests()) for revision in shares(service) if revision != canary]
    old = Requests(sum(each.total for each in others), sum(each.errors for each in others))
    return verdict(f"{name} ({canary})", found.get(canary, Requests()), old)


def _read_series(google: GoogleCloud, names: list[str], started: datetime) -> Iterator[Json]:
    """Read the numbers of requests of services since `started`, by revision and class of status."""
    services = ",".join(f'"{name}"' for name in names)
    now = max(datetime.now(UTC), started + timedelta(minutes=1))
    query: dict[str, str | list[str]] = {
        "filter": f'metric.type="run.googleapis.com/request_count" AND resource.labels.service_name=one_of({services})',
        "interval.startTime": started.isoformat(),
        "interval.endTime": now.isoformat(),
        "aggregation.alignmentPeriod": "60s",
        "aggregation.perSeriesAligner": "ALIGN_SUM",
        "aggregation.crossSeriesReducer": "REDUCE_SUM",
        "aggregation.groupByFields": ["resource.labels.revision_name", "metric.labels.response_code_class"],
    }
    return google.all("monitoring", f"/v3/projects/{google.project}/timeSeries", "timeSeries", **query)


def worker_problem(url: str, worker: str, version: str, *, sleep: Callable[[float], None] = time.sleep) -> str:
    """Request a page, the Worker and a function through a version of the Worker, whatever its share of the traffic.

    The function refuses an unknown API key with 401, so the Worker's identity works too. Returns '' without a problem.
    """
    override = {"Cloudflare-Workers-Version-Overrides": f'{worker}="{version}"', "User-Agent": "scripts/deploy"}
    key = {"Authorization": f"Bearer {make_key()}"}
    expected = (("/", 200, override), ("/env", 200, override), ("/api/me", 401, override | key))
    problem = ""
    for attempt in range(_ATTEMPTS):
        problems = (_status_problem(f"{url}{path}", status, headers) for path, status, headers in expected)
        problem = next((each for each in problems if each), "")
        if not problem:
            return ""
        sleep(2.0 * attempt)
    return problem


def _status_problem(url: str, expected: int, headers: Mapping[str, str]) -> str:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=dict(headers)), timeout=_TIMEOUT_S) as response:
            status = response.status
    except urllib.error.HTTPError as error:
        with error:
            status = error.code
    except OSError as error:
        return f"{url}: {error}"
    return "" if status == expected else f"{url}: {status} instead of {expected}"


if __name__ == "__main__":
    main()
