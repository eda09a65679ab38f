"""scripts/deploy and scripts/undeploy with the real gcloud and wrangler, against localcloud and fake control planes.

The tests run in order on one installation: it is deployed on Supabase and killed on the way three times, deployed
again, loses all but its foundations, moves to Cloud SQL, and is removed.
"""

import hashlib
import json
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from headwater.database.transactions import create_engine
from scripts.local.postgres import Cluster
from tests.fakes.google_apis import NUMBER, PROJECT, REGION, images_of
from tests.fakes.google_cloud import google_cloud
from tests.harness.certificates import create_authority
from tests.harness.databases import APP_PASSWORD
from tests.harness.gcloud_server import gcloud_server
from tests.harness.installation import PLACE, SERVICES, SUPABASE, Deployment
from tests.harness.job_server import job_program
from tests.harness.localcloud import Cloud, Gcloud, localcloud

pytestmark = [
    pytest.mark.skipif(Gcloud.is_missing(), reason="needs gcloud: it is not installed"),
    pytest.mark.long,
]

DOMAIN = "ask.example.com"
KILLED_AFTER = (9, 31, 64)
"""Numbers of changes to the project after which a deployment and its processes are killed."""

CONFIGURATION = f"""
region = "{REGION}"
database = "supabase"
owner = "owner@example.com"
[settings]
DATABASE_ROOT_CERTIFICATE = "supabase-ca.crt"
[limits]
budget = "50EUR"
[production]
project = "{PROJECT}"
domain = "{DOMAIN}"
[staging]
project = "{PROJECT}-staging"
domain = "staging.example.com"
"""


@contextmanager
def _job_runner(folder: Path, cluster: Cluster, database: str) -> Iterator[Cloud]:
    """Run a localcloud whose job is the real one, on an empty database. A root certificate would imply TLS."""
    secrets = {
        "DATABASE_URL": cluster.url(database, role="app", password=APP_PASSWORD),
        "DATABASE_ADMIN_URL": cluster.url(database),
        "AUTH_SECRET": "x" * 32,
        "SECRET_KEY": "k" * 43 + "=",
    }
    os.environ.update(secrets)
    try:
        with localcloud(folder, "--image", f"job={job_program()}") as running:
            yield running
    finally:
        for name in secrets:
            del os.environ[name]


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory, postgres: Cluster) -> Iterator[Deployment]:
    """An installation that was deployed after three kills."""
    folder, database = tmp_path_factory.mktemp("deploy"), "deployed"
    (folder / "deploy.toml").write_text(CONFIGURATION)
    root = create_authority(folder, "supabase-ca").root.read_text()
    (folder / "supabase-ca.crt").write_text(root)
    postgres.execute(f"create database {database}")
    with (
        _job_runner(folder / "localcloud", postgres, database) as cloud,
        google_cloud(cloud.url) as google,
        gcloud_server() as gcloud,
    ):
        tput = gcloud / "tput"  # before the system's in PATH
        tput.write_text(f"#!/bin/sh\ntouch '{folder / 'tput-was-started'}'\n")
        tput.chmod(0o755)
        deployment = Deployment(folder, google, cloud, postgres.url(database), gcloud)
        before = 0
        for count in KILLED_AFTER:
            assert deployment.run(kill_after=count - before) == -signal.SIGKILL, deployment.output[-1]
            before = count
        assert deployment.run() == 0, deployment.output[-1]
        yield deployment
    postgres.execute(f"drop database {database} with (force)")


def test_killed_deployment_continues_where_it_stopped(deployment: Deployment) -> None:
    assert f"https://{DOMAIN}" in deployment.output[-1]
    assert "accounts: up to date" in deployment.output[-1]
    assert deployment.google.conflicts == []


def test_second_deployment_changes_nothing(deployment: Deployment) -> None:
    before = list(deployment.google.writes)
    assert deployment.run() == 0
    assert deployment.google.writes == before
    assert "nothing to do" in deployment.output[-1]


def test_migrations_use_supabases_session_mode_and_services_its_pooler(
    deployment: Deployment,
) -> None:
    secrets = deployment.secrets()
    assert secrets["database-admin-url"] == [f"{SUPABASE}:5432/postgres"]
    [url] = secrets["database-url"]
    assert re.fullmatch(r"postgresql://app\.abc:[\w-]{43}@aws-0-eu\.pooler\.supabase\.com:6543/postgres", url)
    assert not [path for path in deployment.google.resources if path.startswith("sql")]
    [container] = deployment.google.resources["service/headwater-chat"]["spec"]["template"]["spec"]["containers"]
    [root] = [each["value"] for each in container["env"] if each["name"] == "DATABASE_ROOT_CERTIFICATE"]
    assert root == (deployment.folder / "supabase-ca.crt").read_text().strip()


def test_job_migrated_the_database_and_stored_the_owner_key(deployment: Deployment) -> None:
    [key] = re.findall(r"hw_[0-9A-Za-z]{38}", "".join(deployment.output))
    engine = create_engine(deployment.admin_url, pool_size=1)
    with engine.begin() as connection:
        stored = connection.execute(sa.text("select hash, role from headwater.api_keys")).all()
    engine.dispose()
    assert [(bytes(hash_), role) for hash_, role in stored] == [(hashlib.sha256(key.encode()).digest(), "owner")]


def test_gcloud_does_not_look_for_a_terminal(deployment: Deployment) -> None:
    assert not (deployment.folder / "tput-was-started").exists()


def test_queues_and_schedule_are_created(deployment: Deployment) -> None:
    queues = list(deployment.cloud.client.list_queues(parent=PLACE))
    assert [(queue.name.rpartition("/")[2], queue.rate_limits.max_concurrent_dispatches) for queue in queues] == [
        ("chat", 5),
        ("collection", 5),
        ("embedding", 5),
    ]
    _, tick = deployment.cloud.rest("GET", f"/v1/{PLACE}/jobs/headwater-tick")
    collection = f"https://headwater-collection-{NUMBER}.{REGION}.run.app"
    assert (tick["schedule"], tick["httpTarget"]["uri"]) == ("*/15 * * * *", f"{collection}/cron/tick")
    assert tick["httpTarget"]["oidcToken"] == {
        "serviceAccountEmail": f"headwater-invoker@{PROJECT}.iam.gserviceaccount.com",
        "audience": collection,
    }


def test_services_are_closed_and_smoke_tested_before_traffic(deployment: Deployment) -> None:
    policies = {path: policy for path, policy in deployment.google.policies.items() if "/services/" in path}
    assert len(policies) == 4
    assert "allUsers" not in json.dumps(policies)
    for name in ("chat", "collection", "embedding", "sandbox"):
        service = deployment.google.resources[f"service/headwater-{name}"]
        [share] = service["status"]["traffic"]
        assert (share["percent"], share.get("tag")) == (100, None)
        assert set(deployment.google.probed[f"headwater-{name}"]) == {"/heartbeat", "/ready", "/self-test"}


def test_output_contains_no_secret(deployment: Deployment) -> None:
    secrets = [value for each in deployment.secrets().values() for value in each]
    secrets.append(json.loads(deployment.google.worker.secrets["WORKLOAD_KEY"])["d"])
    assert len(secrets) >= 5
    output = "".join(deployment.output)
    assert [value for value in secrets if value in output] == []


def test_worker_gets_its_domain_variables_and_secrets(deployment: Deployment) -> None:
    worker = deployment.google.worker
    assert worker.domains == [DOMAIN]
    variables = {each["name"]: each["text"] for each in worker.bindings if each["type"] == "plain_text"}
    assert variables["AUTH_MODE"] == "jwt"
    assert variables["CHAT_URL"] == f"https://headwater-chat-{NUMBER}.{REGION}.run.app"
    assert worker.secrets["AUTH_SECRET"] == deployment.secrets()["auth-secret"][-1]
    assert set(worker.secrets) == {"AUTH_SECRET", "WORKLOAD_KEY"}
    assert "by workload identity federation (the default)" in deployment.output[-2]


def test_google_verifies_the_workers_assertions_and_no_service_account_key_exists(deployment: Deployment) -> None:
    private = json.loads(deployment.google.worker.secrets["WORKLOAD_KEY"])
    pool = f"iam/v1/projects/{PROJECT}/locations/global/workloadIdentityPools/headwater"
    provider = deployment.google.resources[f"{pool}/providers/headwater"]
    [public] = json.loads(provider["oidc"]["jwksJson"])["keys"]
    assert (public["kid"], public["x"], "d" in public) == (private["kid"], private["x"], False)
    assert provider["oidc"]["issuerUri"] == f"https://{DOMAIN}"
    assert deployment.keys() == []


def test_owner_is_notified_by_each_alarm_and_of_the_budget(deployment: Deployment) -> None:
    resources = deployment.google.resources
    [channel] = [each["name"] for path, each in resources.items() if "/notificationChannels/" in path]
    policies = [each for path, each in resources.items() if "/alertPolicies/" in path]
    [budget] = [each for path, each in resources.items() if "/budgets/" in path]
    assert len(policies) == 6
    assert all(policy["notificationChannels"] == [channel] for policy in policies)
    assert budget["notificationsRule"]["monitoringNotificationChannels"] == [channel]
    amount = budget["amount"]["specifiedAmount"]
    assert (amount["units"], amount["currencyCode"]) == ("50", "EUR")
    assert budget["budgetFilter"]["projects"] == [f"projects/{PROJECT}"]
    assert [rule["thresholdPercent"] for rule in budget["thresholdRules"]] == [0.9]


def test_expiring_access_token_is_renewed_before_each_stage(deployment: Deployment) -> None:
    (deployment.folder / "gcloud" / "access_tokens.db").unlink()
    deployment.google.access_tokens_live_s, before = 200, deployment.google.access_tokens_given
    assert deployment.run("--only=registry,bucket") == 0, deployment.output[-1]
    deployment.google.access_tokens_live_s = 3600
    assert deployment.google.access_tokens_given - before == 3


def test_worker_changes_from_federation_to_a_key_and_back(deployment: Deployment) -> None:
    def run(worker_identity: str) -> str:
        (deployment.folder / "deploy.toml").write_text(f'worker_identity = "{worker_identity}"\n{CONFIGURATION}')
        assert deployment.run("--only=worker") == 0, deployment.output[-1]
        [variables] = [each["text"] for each in deployment.google.worker.bindings if "PROVIDER" in each["name"]] or [""]
        return str(variables)

    assert run("key") == ""
    assert len(deployment.keys()) == 1
    key = json.loads(deployment.google.worker.secrets["GOOGLE_SERVICE_ACCOUNT_KEY"])["private_key"]
    assert key not in deployment.output[-1]
    assert run("auto").endswith("workloadIdentityPools/headwater/providers/headwater")
    assert deployment.keys() == []


def test_cloud_sql_is_created_and_cloud_build_smoke_tests_with_its_own_token(
    deployment: Deployment,
) -> None:
    deployment.lose("/secrets/")
    deployment.google.gives_identity_tokens = False
    deployment.google.probed.clear()
    assert deployment.run("--database=cloudsql") == 0, deployment.output[-1]
    instance = f"sql/sql/v1beta4/projects/{PROJECT}/instances/headwater"
    made = {path: each for path, each in deployment.google.resources.items() if path.startswith(instance)}
    assert set(made) == {instance, f"{instance}/databases/headwater", f"{instance}/users/headwater"}
    assert made[instance]["settings"]["connectorEnforcement"] == "REQUIRED"
    [admin] = deployment.secrets()["database-admin-url"]
    password = made[f"{instance}/users/headwater"]["password"]
    socket = f"/cloudsql/{PROJECT}:{REGION}:headwater/.s.PGSQL.5432"
    assert admin == f"postgresql+pg8000://headwater:{password}@/headwater?unix_sock={socket.replace(':', '%3A')}"
    assert set(map(frozenset, deployment.google.probed.values())) == {frozenset({"/heartbeat", "/ready", "/self-test"})}
    before = list(deployment.google.writes)
    assert deployment.run("--database=cloudsql", "--diff") == 0
    assert [line for line in deployment.output[-1].splitlines() if line.startswith(("gcloud", "wrangler"))] == []
    assert deployment.google.writes == before


def test_releases_are_rolled_back_one_after_the_other(deployment: Deployment) -> None:
    first = deployment.releases()["headwater-chat"]
    deployment.build("v1", "v2")
    for tag in ("v1", "v2"):
        stages = f"--only=images,job,services,release{',worker' if tag == 'v2' else ''}"
        assert deployment.run("--database=cloudsql", f"--tag={tag}", stages) == 0, deployment.output[-1]
        assert set(deployment.releases().values()) == {tag}
    for release in ("v1", first):
        deployment.google.probed.clear()
        assert deployment.run("--database=cloudsql", "--rollback") == 0, deployment.output[-1]
        assert set(deployment.releases().values()) == {release}
        assert set(deployment.google.probed) == SERVICES
    assert "the Worker stays at v2: none of its ten newest versions is of release v1" in deployment.output[-2]
    assert deployment.worker_releases() == {first: 100}
    assert deployment.releases().keys() == {*SERVICES, "job"}


def test_canary_with_errors_loses_its_traffic_and_the_next_deployment_repeats_it(deployment: Deployment) -> None:
    before = deployment.releases()
    old = before["headwater-chat"]
    deployment.build("v3")
    stages = ("--database=cloudsql", "--tag=v3", "--only=images,services,release", "--canary=10")
    deployment.google.canary_errors = 20
    assert deployment.run(*stages) == 1
    assert "20 of 100 requests failed (20.0%); in the old revision 0 of 100 (0.0%)" in deployment.output[-1]
    assert deployment.shares("headwater-chat") == {old: 100}
    # Killed while it watches: 10 % stay with the canary until the next deployment or rollback.
    deployment.google.canary_errors = 0
    assert deployment.run("--database=cloudsql", "--tag=v3", "--only=release", "--canary=10", kill_after=4) < 0
    assert deployment.shares("headwater-embedding") == {old: 90, "v3": 10}
    assert deployment.run("--database=cloudsql", "--rollback", "--skip=worker") == 0
    assert deployment.releases() == before
    assert deployment.run("--database=cloudsql", "--tag=v3", "--only=release", "--canary=0") == 0
    assert deployment.shares("headwater-chat") == {"v3": 100}


def test_canary_of_the_worker_loses_its_traffic_if_its_pages_fail(deployment: Deployment) -> None:
    worker = deployment.google.worker
    old = worker.percents()
    [number] = old
    changed = CONFIGURATION.replace("[settings]", '[settings]\nCORS_ORIGINS = "https://app.example.com"')
    (deployment.folder / "deploy.toml").write_text(changed)
    unreachable = {"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"}
    assert deployment.run("--only=worker", "--canary=10", environment=unreachable) == 1
    assert f"canary: https://{DOMAIN}/: " in deployment.output[-1]
    new = len(worker.versions)
    assert worker.deployments[-2:] == [{number: 90, new: 10}, old]
    assert deployment.run("--only=worker") == 0, deployment.output[-1]
    assert worker.percents() == {new + 1: 100}


def test_release_of_staging_is_promoted_with_the_same_digests(deployment: Deployment) -> None:
    resources, staging = deployment.google.resources, f"{PROJECT}-staging"
    before = deployment.digests()
    assert deployment.run("--database=cloudsql", "--promote=staging", "--skip=worker") == 1
    assert "staging can't be promoted: headwater-chat doesn't serve" in deployment.output[-1]
    for path, each in list(resources.items()):
        text = (
            json.dumps(each)
            .replace(f"/{PROJECT}/", f"/{staging}/")
            .replace("sha256:0000", "sha256:ffff")
            .replace('"v3"', '"v4"')
        )
        if path.startswith("service/"):
            resources[f"{staging}/{path}"] = json.loads(text)
        elif "/dockerImages/" in path and "v3" in each["tags"]:
            resources[f"{images_of(staging)}/{path.rpartition('/')[2]}"] = json.loads(text)
    run = ("--database=cloudsql", "--promote=staging", "--only=images,job,services,release")
    assert deployment.run(*run) == 0, deployment.output[-1]
    assert set(deployment.releases().values()) == {"v4"}
    after = deployment.digests()
    assert after == {name: digest.replace("sha256:0000", "sha256:ffff") for name, digest in before.items()}
    [build] = [line for line in deployment.output[-1].splitlines() if " s  gcloud builds submit" in line]
    assert "--no-source --config=scripts/deployment/resources/promote.yaml" in build
    [policy] = [each for path, each in deployment.google.policies.items() if f"/{staging}/" in path]
    assert [(each["role"], each["members"]) for each in policy["bindings"]] == [
        ("roles/artifactregistry.reader", [f"serviceAccount:headwater-build@{PROJECT}.iam.gserviceaccount.com"])
    ]
    writes = list(deployment.google.writes)
    assert deployment.run(*run) == 0, deployment.output[-1]
    assert deployment.google.writes == writes
    for path in [path for path in resources if staging in path]:
        del resources[path]


def test_release_whose_image_was_deleted_is_not_rolled_back_to(deployment: Deployment) -> None:
    resources = deployment.google.resources
    image = next(path for path, each in resources.items() if "/dockerImages/chat" in path and "v1" in each["tags"])
    deleted, before = resources.pop(image), list(deployment.google.writes)
    assert deployment.run("--database=cloudsql", "--to=v1") == 1
    assert "was deleted; nothing was changed" in deployment.output[-1]
    assert deployment.google.writes == before
    resources[image] = deleted


def test_rollback_to_a_revision_and_removal_of_public_access(deployment: Deployment) -> None:
    revisions = [
        each["metadata"]
        for path, each in deployment.google.resources.items()
        if path.startswith("revision/headwater-chat") and each["metadata"]["labels"]["release"] == "v1"
    ]
    assert deployment.run("--database=cloudsql", "--to", revisions[0]["name"]) == 0, deployment.output[-1]
    assert deployment.releases()["headwater-chat"] == "v1"
    [policy] = [each for path, each in deployment.google.policies.items() if path.endswith("services/headwater-chat")]
    policy["bindings"].append({"role": "roles/run.invoker", "members": ["allUsers"]})
    assert deployment.run("--database=cloudsql", "--only=services") == 0, deployment.output[-1]
    assert "allUsers" not in json.dumps(deployment.google.policies)


def test_undeploy_requires_the_project_id(deployment: Deployment) -> None:
    before = list(deployment.google.writes)
    assert deployment.answer("yes") == 1
    assert "nothing was changed" in deployment.output[-1]
    assert deployment.google.writes == before


def test_undeploy_purges_queues_and_keeps_data(deployment: Deployment) -> None:
    for name in ("chat", "collection", "embedding"):
        later = {"seconds": int(time.time()) + 3600}
        ticket: Any = {"http_request": {"url": "http://127.0.0.1:9/"}, "schedule_time": later}
        deployment.cloud.client.create_task(parent=f"{PLACE}/queues/{name}", task=ticket)
    data = {path for path in deployment.google.resources if re.search(r"/secrets/|^sql|^storage", path)}
    assert deployment.answer(PROJECT, "--database=cloudsql") == 0, deployment.output[-1]
    queues = {queue.name: queue.state.name for queue in deployment.cloud.client.list_queues(parent=PLACE)}
    assert queues == {f"{PLACE}/queues/{name}": "PAUSED" for name in ("chat", "collection", "embedding")}
    assert [task for queue in queues for task in deployment.cloud.client.list_tasks(parent=queue)] == []
    assert list(deployment.cloud.jobs.list_jobs(parent=PLACE)) == []
    assert deployment.cloud.rest("GET", f"/v1/{PLACE}/jobs/headwater-tick")[0] == 404
    left = set(deployment.google.resources)
    assert data <= left
    assert not [path for path in left if re.search(r"^service/|/serviceAccounts/|/repositories/", path)]
    assert deployment.google.worker.versions == []


def test_undeploy_with_data_deletes_everything(deployment: Deployment) -> None:
    assert deployment.run("--database=cloudsql", "--data", f"--confirm={PROJECT}", script="undeploy") == 0
    left = [path for path in deployment.google.resources if re.search(r"/secrets/|^sql|^storage", path)]
    assert left == []
    before = list(deployment.google.writes)
    assert deployment.run("--database=cloudsql", "--data", f"--confirm={PROJECT}", script="undeploy") == 0
    assert deployment.output[-1].splitlines()[-1] == "nothing to delete"
    assert deployment.google.writes == before
