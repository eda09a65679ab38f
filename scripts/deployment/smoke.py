"""Tries new revisions before anybody else does: `python3 -m scripts.deployment.smoke --project=P --region=R SERVICE…`.

Each is asked for `/heartbeat` and `/ready` (database, schema, role) at the address of its candidate. The services are
closed, so the caller must be allowed to call them, as owners of the project are.
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
from scripts.deployment.cloud.read_cloud import Google, Json, connect
from scripts.deployment.resources.services import candidate_url

PATIENCE_S = 90.0
"""A revision that is started for the first time, with its database waking too, and IAM that has just been told."""

_TIMEOUT_S = 60.0
_PATHS = ("/heartbeat", "/ready")


def main() -> None:
    """Try each service; exits with a line on stderr when one doesn't answer as it should."""
    parser = argparse.ArgumentParser(prog="smoke", description="Tries services' candidates.")
    parser.add_argument("--project", required=True)
    parser.add_argument("--region", required=True)
    parser.add_argument("services", nargs="+", metavar="SERVICE")
    options = parser.parse_args()
    try:
        google = connect(options.project)
        path = f"/apis/serving.knative.dev/v1/namespaces/{options.project}/services"
        services = [(name, google.get(f"{options.region}-run", f"{path}/{name}")) for name in options.services]
        with ThreadPoolExecutor(len(services)) as threads:
            for line in threads.map(lambda each: _try(each[0], each[1], google), services):
                print(line)
    except DeploymentError as error:
        sys.exit(f"smoke: {error.what}\nnext: {error.next_step}")


def _try(name: str, service: Json | None, google: Google) -> str:
    """Ask until the answer is right or patience is at its end; returns what to say."""
    url = candidate_url(service) if service else ""
    if not service or not url:
        raise DeploymentError(f"{name} has no candidate", "scripts/deploy --only=services,release")
    # Whichever revision is asked, the token is for the service.
    headers = {"Authorization": f"Bearer {_identity_token(service['status']['url'], google)}"}
    began = time.monotonic()
    while problems := [problem for path in _PATHS if (problem := _problem(url + path, headers))]:
        if time.monotonic() - began > PATIENCE_S:
            raise DeploymentError(f"{name} at {url}: {problems[0]}", _next(name, problems[0], google))
        time.sleep(2)
    return f"{name}: {' and '.join(_PATHS)} answer, {time.monotonic() - began:.1f} s"


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


def _next(name: str, problem: str, google: Google) -> str:
    if problem.startswith(("401", "403")):
        return (
            f"let yourself in: gcloud run services add-iam-policy-binding {name} --project={google.project} "
            f"--role=roles/run.invoker --member=user:{google.account or 'YOU'}; then run again"
        )
    logs = f"gcloud run services logs read {name} --project={google.project} --limit=50"
    return f"read why: {logs}; meanwhile the revision before serves on"


def _identity_token(audience: str, google: Google) -> str:
    """Get an ID token: a person's is taken by any service, a machine's must name the one it is for."""
    is_person = bool(google.account) and not google.account.endswith(".gserviceaccount.com")
    for flags in ([], [f"--audiences={audience}"]) if is_person else ([f"--audiences={audience}"], []):
        command = [programs.gcloud_path(), "auth", "print-identity-token", *flags]
        environment = programs.environment("gcloud")
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return done.stdout.strip()
    # Cloud Build gives its steps no identity tokens, but an account may be allowed to make some for itself.
    path = f"/v1/projects/-/serviceAccounts/{google.account}:generateIdToken"
    if not is_person and (made := google.post("iamcredentials", path, {"audience": audience, "includeEmail": True})):
        return str(made["token"])
    raise DeploymentError.told(done.stderr.strip())


if __name__ == "__main__":
    main()
