"""Smoke-test new revisions before they get traffic.

    python3 -m scripts.deployment.smoke --project=PROJECT --region=REGION SERVICE…

Requests `/heartbeat`, `/ready` (database, schema, role) and `/self-test` (embedding embeds a text, chat runs a search)
at the URL of each service's candidate. The services are not public, so the caller needs the right to call them, which
owners of the project have.
"""

import argparse
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from scripts.deployment.cloud import programs
from scripts.deployment.cloud.failures import DeploymentError
from scripts.deployment.cloud.read_cloud import GoogleCloud, Json, connect
from scripts.deployment.resources.services import candidate

MAX_WAIT_S = 90.0
"""Covers the first start of a revision, the wake-up of a paused database and the propagation of IAM changes."""

_TIMEOUT_S = 60.0
_PATHS = ("/heartbeat", "/ready", "/self-test")


def main() -> None:
    """Test each service; exit with a message on stderr if one fails."""
    parser = argparse.ArgumentParser(prog="smoke", description="Smoke-test the candidate revisions of services.")
    parser.add_argument("--project", required=True)
    parser.add_argument("--region", required=True)
    parser.add_argument("services", nargs="+", metavar="SERVICE")
    options = parser.parse_args()
    try:
        google = connect(options.project)
        path = f"/apis/serving.knative.dev/v1/namespaces/{options.project}/services"
        services = [(name, google.get(f"{options.region}-run", f"{path}/{name}")) for name in options.services]
        with ThreadPoolExecutor(len(services)) as threads:
            for line in threads.map(lambda each: check_candidate(each[0], each[1], google), services):
                print(line)
    except DeploymentError as error:
        sys.exit(f"smoke: {error.problem}\nnext: {error.next_step}")


def check_candidate(name: str, service: Json | None, google: GoogleCloud) -> str:
    """Poll a service until all paths answer 2xx. Returns a line to print; raises DeploymentError after MAX_WAIT_S."""
    url = str(((candidate(service) if service else None) or {}).get("url", ""))
    if not service or not url:
        raise DeploymentError(f"{name} has no candidate revision", "run: scripts/deploy --only=services,release")
    # The token's audience is the service's URL, also for its tagged revisions.
    headers = {"Authorization": f"Bearer {_identity_token(service['status']['url'], google)}"}
    started = time.monotonic()
    while problems := [problem for path in _PATHS if (problem := _problem(url + path, headers))]:
        if time.monotonic() - started > MAX_WAIT_S:
            raise DeploymentError(f"{name} at {url}: {problems[0]}", _next(name, problems[0], google))
        time.sleep(2)
    return f"{name}: {', '.join(_PATHS)} answer, {time.monotonic() - started:.1f} s"


def _problem(url: str, headers: Mapping[str, str]) -> str:
    request = urllib.request.Request(url, headers=dict(headers))
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S):
            return ""
    except urllib.error.HTTPError as error:
        with error:
            body = error.read(2000).decode(errors="replace")
        return f"{error.code} {_detail(body)}"
    except OSError as error:
        return str(error)


def _detail(body: str) -> str:
    try:
        return str(json.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):
        return " ".join(body.split())[:200]


def _next(name: str, problem: str, google: GoogleCloud) -> str:
    if problem.startswith(("401", "403")):
        return (
            f"grant yourself access: gcloud run services add-iam-policy-binding {name} --project={google.project} "
            f"--role=roles/run.invoker --member=user:{google.account or 'YOU'}; then run again"
        )
    logs = f"gcloud run services logs read {name} --project={google.project} --limit=50"
    return f"see the logs: {logs} (the previous revision still serves all traffic)"


def _identity_token(audience: str, google: GoogleCloud) -> str:
    """Return an ID token. Cloud Run accepts a user's token without an audience; a service account's needs one."""
    is_person = bool(google.account) and not google.account.endswith(".gserviceaccount.com")
    for flags in ([], [f"--audiences={audience}"]) if is_person else ([f"--audiences={audience}"], []):
        command = [programs.gcloud_path(), "auth", "print-identity-token", *flags]
        environment = programs.environment("gcloud")
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return done.stdout.strip()
    # Cloud Build provides no ID tokens, but the pipeline's account may create its own.
    path = f"/v1/projects/-/serviceAccounts/{google.account}:generateIdToken"
    if not is_person and (
        response := google.post("iamcredentials", path, {"audience": audience, "includeEmail": True})
    ):
        return str(response["token"])
    raise DeploymentError.from_output(done.stderr.strip())


if __name__ == "__main__":
    main()
