"""Enabled APIs, service accounts, the image repository and the bucket. Plans are pure.

Each function, the job, the image build and the Worker has a service account of its own, without rights beyond its
bindings. Cloud Tasks and Cloud Scheduler call the functions as `invoker`; an optional `pipeline` account deploys.
"""

from dataclasses import replace
from functools import partial
from typing import Any

from scripts.deployment.cloud.failures import DeploymentError
from scripts.deployment.cloud.read_access import read_access
from scripts.deployment.cloud.read_cloud import GoogleCloud, read_concurrently
from scripts.deployment.plan.access import Binding, account, missing
from scripts.deployment.plan.cloud_state import CloudState
from scripts.deployment.plan.commands import Command, gcloud
from scripts.deployment.plan.installation import PIPELINE, SANDBOX, Installation

ACCOUNTS = ("chat", "collection", "embedding", "job", SANDBOX, "invoker", "worker", "build", PIPELINE)

LIFECYCLE_FILE = "scripts/deployment/resources/bucket-lifecycle.json"
CLEANUP_FILE = "scripts/deployment/resources/image-cleanup.json"
_CLEANUP_POLICIES = {"keep-the-newest", "delete-old"}

_APIS: tuple[str, ...] = ("artifactregistry", "cloudbuild", "cloudresourcemanager", "cloudscheduler", "cloudtasks")
_APIS += ("iam", "iamcredentials", "logging", "monitoring", "run", "secretmanager", "storage", "sts")


def apis(installation: Installation) -> list[str]:
    """Return the APIs that an installation uses."""
    names = {*_APIS}
    names |= {"sqladmin", "sql-component"} if installation.cloudsql_instance else set()
    names |= {"aiplatform"} if installation.uses_vertex_ai else set()
    names |= {"telemetry"} if installation.traces_to_google else set()
    names |= {"billingbudgets", "cloudbilling"} if installation.limits.budget else set()
    return [f"{name}.googleapis.com" for name in sorted(names)]


def read_apis(google: GoogleCloud, installation: Installation, state: CloudState) -> CloudState:
    """Read the project and its enabled APIs. Raises DeploymentError if it doesn't exist or has no billing account."""
    project, billing, enabled = read_concurrently(
        [
            partial(google.get, "cloudresourcemanager", f"/v1/projects/{installation.project}"),
            partial(google.get, "cloudbilling", f"/v1/projects/{installation.project}/billingInfo"),
            lambda: list(
                google.all(
                    "serviceusage",
                    f"/v1/projects/{installation.project}/services",
                    "services",
                    filter="state:ENABLED",
                    pageSize=200,
                )
            ),
        ]
    )
    if project is None:
        raise DeploymentError(
            f"project {installation.project} doesn't exist, or you have no access to it",
            f"create it: gcloud projects create {installation.project}",
        )
    if billing is not None and not billing.get("billingEnabled"):
        raise DeploymentError(
            f"project {installation.project} has no billing account",
            f"link one: gcloud billing projects link {installation.project} --billing-account=ACCOUNT "
            "(gcloud billing accounts list)",
        )
    return replace(
        state,
        project_number=str(project["projectNumber"]),
        billing_account=(billing or {}).get("billingAccountName", "").rpartition("/")[2] or state.billing_account,
        apis=frozenset(service["config"]["name"] for service in enabled),
    )


def plan_apis(installation: Installation, state: CloudState) -> list[Command]:
    """Enable the missing APIs with one command."""
    needed = [api for api in apis(installation) if api not in state.apis]
    command = gcloud("services", "enable", *needed, target="apis", project=installation.project, minutes="1 to 2")
    return [command] if needed else []


def read_accounts(google: GoogleCloud, installation: Installation, state: CloudState) -> CloudState:
    """Read the service accounts."""
    listed = google.all("iam", f"/v1/projects/{installation.project}/serviceAccounts", "accounts", pageSize=100)
    return replace(state, accounts=frozenset(each["email"] for each in listed))


def plan_accounts(installation: Installation, state: CloudState) -> list[Command]:
    """Create the missing service accounts. Each resource's stage grants its own access."""
    return [
        gcloud(
            "iam",
            "service-accounts",
            "create",
            f"headwater-{name}",
            target=f"account/{installation.account(name)}",
            project=installation.project,
            display_name=f"Headwater: {name}",
        )
        for name in ACCOUNTS
        if installation.account(name) not in state.accounts and (name != PIPELINE or installation.pipeline)
    ]


def read_registry(google: GoogleCloud, installation: Installation, state: CloudState) -> CloudState:
    """Read the image repository and its access."""
    path = f"/v1/projects/{installation.project}/locations/{installation.region}/repositories/headwater"
    repository, policies = read_concurrently(
        [
            partial(google.get, "artifactregistry", path),
            partial(read_access, google, installation, _registry_bindings(installation)),
        ]
    )
    return replace(state, repository=repository, access=policies)


def plan_registry(installation: Installation, state: CloudState) -> list[Command]:
    """Create the image repository with its clean-up policies; let builds write images and logs."""
    common: dict[str, Any] = {
        "target": "repository/headwater",
        "project": installation.project,
        "location": installation.region,
    }
    words = ("artifacts", "repositories")
    commands = []
    if state.repository is None:
        text = "Headwater's images"
        commands.append(gcloud(*words, "create", "headwater", **common, repository_format="docker", description=text))
    if set((state.repository or {}).get("cleanupPolicies", {})) != _CLEANUP_POLICIES:
        commands.append(
            gcloud(*words, "set-cleanup-policies", "headwater", **common, policy=CLEANUP_FILE, dry_run=False)
        )
    return commands + missing(installation, _registry_bindings(installation), state.access)


def _registry_bindings(installation: Installation) -> list[Binding]:
    build = account(installation, "build")
    return [
        Binding("repository/headwater", "roles/artifactregistry.writer", build),
        Binding(f"project/{installation.project}", "roles/logging.logWriter", build),
    ]


def read_bucket(google: GoogleCloud, installation: Installation, state: CloudState) -> CloudState:
    """Read the bucket and its access."""
    bucket, policies = read_concurrently(
        [
            partial(google.get, "storage", f"/storage/v1/b/{installation.bucket}"),
            partial(read_access, google, installation, _bucket_bindings(installation)),
        ]
    )
    return replace(state, bucket=bucket, access=policies)


def plan_bucket(installation: Installation, state: CloudState) -> list[Command]:
    """Create the bucket: not public, with a lifecycle rule that deletes old staged files."""
    common: dict[str, Any] = {"target": f"bucket/{installation.bucket}", "project": installation.project}
    words, url = ("storage", "buckets"), f"gs://{installation.bucket}"
    commands = []
    if state.bucket is None:
        commands.append(
            gcloud(
                *words,
                "create",
                url,
                **common,
                location=installation.region,
                uniform_bucket_level_access=True,
                public_access_prevention=True,
                soft_delete_duration="0",
                lifecycle_file=LIFECYCLE_FILE,
            )
        )
    elif not state.bucket.get("lifecycle", {}).get("rule"):
        commands.append(gcloud(*words, "update", url, **common, lifecycle_file=LIFECYCLE_FILE))
    return commands + missing(installation, _bucket_bindings(installation), state.access)


def _bucket_bindings(installation: Installation) -> list[Binding]:
    bucket = f"bucket/{installation.bucket}"
    users = [
        Binding(bucket, "roles/storage.objectUser", account(installation, name))
        for name in ("chat", "collection", "job")
    ]
    model = dict(installation.settings).get("EMBEDDING_MODEL", "")
    readers = ("embedding",) if model.startswith(f"onnx:gs://{installation.bucket}/") else ()
    viewers = [
        Binding(bucket, "roles/storage.objectViewer", account(installation, name)) for name in (*readers, "build")
    ]
    return users + viewers
