"""`scripts/deploy` by the real gcloud and the real wrangler, against localcloud and a recording control plane.

One installation is deployed, killed on its way and deployed again; the tests look at what has become of it, in order.
"""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlalchemy as sa

from headwater.db import create_engine
from scripts.postgres import Cluster
from tests.cloud import ROOT, Cloud, Gcloud, localcloud
from tests.databases import APP_PASSWORD
from tests.google import Google, google_cloud
from tests.google_apis import NUMBER, PROJECT, REGION

pytestmark = pytest.mark.skipif(Gcloud.is_missing(), reason="needs gcloud: it is not installed")

DOMAIN = "ask.example.com"
KILLED_AFTER = (9, 31, 64)
"""Changes of the project after which a deployment is killed, with all it has started."""

# Without a budget: gcloud knows no way to send what concerns budgets anywhere but to Google.
CONFIGURATION = f"""
region = "{REGION}"
database = "cloudsql"
owner = "owner@example.com"
[production]
project = "{PROJECT}"
domain = "{DOMAIN}"
[staging]
project = "{PROJECT}-staging"
domain = "staging.example.com"
"""


@dataclass
class Deployment:
    """An installation of its own, and what deploying it has said."""

    folder: Path
    google: Google
    cloud: Cloud
    admin_url: str
    said: list[str] = field(default_factory=list)

    def run(self, *arguments: str, kill_after: int = 0) -> int:
        """Run scripts/deploy to its end, or until it has changed so much; returns its exit code."""
        command = [
            str(ROOT / "scripts" / "deploy"),
            "production",
            "--file",
            str(self.folder / "deploy.toml"),
            *arguments,
        ]
        inherited = {name: value for name, value in os.environ.items() if _is_harmless(name)}
        process = subprocess.Popen(
            command,
            env=inherited | self.google.environment(self.folder / "gcloud"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        until = len(self.google.writes) + kill_after

        def watch(_: str) -> None:
            if kill_after and len(self.google.writes) == until:
                os.killpg(process.pid, signal.SIGKILL)

        self.google.on_write = watch
        self.said.append(process.communicate(timeout=900)[0])
        self.google.on_write = lambda _: None
        assert self.google.unknown == []
        return process.returncode


def _is_harmless(name: str) -> bool:
    return not name.startswith(("CLOUDSDK_", "CLOUDFLARE_", "DEPLOY_")) and not name.lower().endswith("_proxy")


@contextmanager
def _job_runner(folder: Path, cluster: Cluster, database: str) -> Iterator[Cloud]:
    """A localcloud whose job is the real one, on a database that is empty."""
    secrets = {
        "DATABASE_URL": cluster.url(database, role="app", password=APP_PASSWORD),
        "DATABASE_ADMIN_URL": cluster.url(database),
        "AUTH_SECRET": "x" * 32,
        "SECRET_KEY": "k" * 43 + "=",
    }
    os.environ.update(secrets)
    try:
        with localcloud(folder, "--image", f"job={sys.executable} -m functions.job") as running:
            yield running
    finally:
        for name in secrets:
            del os.environ[name]


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory, postgres: Cluster) -> Iterator[Deployment]:
    """Deploy, with three kills on the way."""
    folder, database = tmp_path_factory.mktemp("deploy"), "deployed"
    (folder / "deploy.toml").write_text(CONFIGURATION)
    postgres.execute(f"create database {database}")
    with _job_runner(folder / "localcloud", postgres, database) as cloud, google_cloud(cloud.url) as google:
        deployment = Deployment(folder, google, cloud, postgres.url(database))
        before = 0
        for count in KILLED_AFTER:
            assert deployment.run(kill_after=count - before) == -signal.SIGKILL, deployment.said[-1]
            before = count
        assert deployment.run() == 0, deployment.said[-1]
        yield deployment
    postgres.execute(f"drop database {database} with (force)")


def test_a_deployment_killed_three_times_goes_on_where_it_was(deployment: Deployment) -> None:
    assert f"https://{DOMAIN}" in deployment.said[-1]
    assert "accounts: as it should be" in deployment.said[-1]
    assert deployment.google.conflicts == []


def test_a_second_deployment_changes_nothing(deployment: Deployment) -> None:
    before = list(deployment.google.writes)
    assert deployment.run() == 0
    assert deployment.google.writes == before
    assert "nothing to do" in deployment.said[-1]
    assert deployment.run("--diff") == 0
    assert [line for line in deployment.said[-1].splitlines() if line.startswith(("gcloud", "wrangler"))] == []


def test_the_job_has_migrated_the_database_and_stored_the_first_owners_key(deployment: Deployment) -> None:
    [key] = re.findall(r"hw_[0-9A-Za-z]{38}", "".join(deployment.said))
    engine = create_engine(deployment.admin_url, pool_size=1)
    with engine.begin() as connection:
        stored = connection.execute(sa.text("select hash, role from headwater.api_keys")).all()
    engine.dispose()
    assert [(bytes(hash_), role) for hash_, role in stored] == [(hashlib.sha256(key.encode()).digest(), "owner")]


def test_queues_and_schedule_are_as_they_should_be(deployment: Deployment) -> None:
    place = f"projects/{PROJECT}/locations/{REGION}"
    queues = list(deployment.cloud.client.list_queues(parent=place))
    assert [(queue.name.rpartition("/")[2], queue.rate_limits.max_concurrent_dispatches) for queue in queues] == [
        ("collection", 5),
        ("embedding", 5),
    ]
    _, tick = deployment.cloud.rest("GET", f"/v1/{place}/jobs/headwater-tick")
    collection = f"https://headwater-collection-{NUMBER}.{REGION}.run.app"
    assert (tick["schedule"], tick["httpTarget"]["uri"]) == ("*/15 * * * *", f"{collection}/cron/tick")
    assert tick["httpTarget"]["oidcToken"] == {
        "serviceAccountEmail": f"headwater-invoker@{PROJECT}.iam.gserviceaccount.com",
        "audience": collection,
    }


def test_services_are_closed_and_every_revision_was_tried_before_its_traffic(deployment: Deployment) -> None:
    policies = {path: policy for path, policy in deployment.google.policies.items() if "/services/" in path}
    assert len(policies) == 3
    assert "allUsers" not in json.dumps(policies)
    for name in ("chat", "collection", "embedding"):
        service = deployment.google.resources[f"service/headwater-{name}"]
        [share] = service["status"]["traffic"]
        assert (share["percent"], share.get("tag")) == (100, None)
        assert set(deployment.google.tried[f"headwater-{name}"]) == {"/heartbeat", "/ready"}


def test_no_secret_is_ever_said(deployment: Deployment) -> None:
    kept = [value for name, each in deployment.google.resources.items() if name.endswith("#versions") for value in each]
    kept += [
        json.loads(value)["private_key"] for value in [deployment.google.worker.secrets["GOOGLE_SERVICE_ACCOUNT_KEY"]]
    ]
    assert len(kept) >= 5
    said = "".join(deployment.said)
    assert [value for value in kept if value in said] == []


def test_the_worker_has_its_domain_its_variables_and_its_secrets(deployment: Deployment) -> None:
    worker = deployment.google.worker
    assert worker.domains == [DOMAIN]
    variables = {each["name"]: each["text"] for each in worker.bindings if each["type"] == "plain_text"}
    assert variables["AUTH_MODE"] == "jwt"
    assert variables["CHAT_URL"] == f"https://headwater-chat-{NUMBER}.{REGION}.run.app"
    path = f"secretmanager/v1/projects/{PROJECT}/secrets/headwater-auth-secret#versions"
    assert worker.secrets["AUTH_SECRET"] == deployment.google.resources[path][-1]
    assert set(worker.secrets) == {"AUTH_SECRET", "GOOGLE_SERVICE_ACCOUNT_KEY"}


def test_where_keys_are_forbidden_the_worker_signs_with_a_key_of_its_own(deployment: Deployment) -> None:
    deployment.google.forbids_keys = True
    assert deployment.run("--only=worker") == 0, deployment.said[-1]
    private = json.loads(deployment.google.worker.secrets["WORKLOAD_KEY"])
    pool = f"iam/v1/projects/{PROJECT}/locations/global/workloadIdentityPools/headwater"
    provider = deployment.google.resources[f"{pool}/providers/headwater"]
    [public] = json.loads(provider["oidc"]["jwksJson"])["keys"]
    assert (public["kid"], public["x"], "d" in public) == (private["kid"], private["x"], False)
    assert private["d"] not in "".join(deployment.said)
    before = list(deployment.google.writes)
    assert deployment.run("--only=worker") == 0
    assert deployment.google.writes == before
