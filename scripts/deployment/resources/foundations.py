"""The ground: enabled APIs, service accounts, the repository of images, the bucket. Plans are pure.

Each function, the job, the build and the Worker is an account of its own, which may do nothing but what is bound to it;
`invoker` is who Cloud Tasks and Cloud Scheduler call the functions as, `pipeline` (where one is wanted) who deploys.
"""

from dataclasses import replace
from functools import partial
from typing import Any

from scripts.deployment.cloud.failures import DeploymentError
from scripts.deployment.cloud.read_cloud import Google, at_once
from scripts.deployment.plan.cloud_state import Found
from scripts.deployment.plan.commands import Command, gcloud
from scripts.deployment.plan.installation import PIPELINE, Installation
from scripts.deployment.resources import access
from scripts.deployment.resources.access import Binding, account

ACCOUNTS = ("chat", "collection", "embedding", "job", "invoker", "worker", "build", PIPELINE)

LIFECYCLE_FILE = "scripts/deployment/resources/bucket-lifecycle.json"
CLEANUP_FILE = "scripts/deployment/resources/image-cleanup.json"
_CLEANUP_POLICIES = {"keep-the-newest", "delete-old"}

_APIS: tuple[str, ...] = ("artifactregistry", "cloudbuild", "cloudresourcemanager", "cloudscheduler", "cloudtasks")
_APIS += ("iam", "iamcredentials", "logging", "monitoring", "orgpolicy", "run", "secretmanager", "storage", "sts")


def apis(wanted: Installation) -> list[str]:
    """Name the APIs that this installation uses."""
    names = {*_APIS}
    names |= {"sqladmin", "sql-component"} if wanted.cloudsql_instance else set()
    names |= {"billingbudgets", "cloudbilling"} if wanted.limits.budget else set()
    return [f"{name}.googleapis.com" for name in sorted(names)]


def look_apis(google: Google, wanted: Installation, found: Found) -> Found:
    """Read the project itself; raises DeploymentError when there is none, or when nobody pays for it."""
    project, billing, enabled = at_once(
        [
            partial(google.get, "cloudresourcemanager", f"/v1/projects/{wanted.project}"),
            partial(google.get, "cloudbilling", f"/v1/projects/{wanted.project}/billingInfo"),
            lambda: list(
                google.all(
                    "serviceusage",
                    f"/v1/projects/{wanted.project}/services",
                    "services",
                    filter="state:ENABLED",
                    pageSize=200,
                )
            ),
        ]
    )
    if project is None:
        raise DeploymentError(
            f"there is no project {wanted.project}, or you can't see it", f"gcloud projects create {wanted.project}"
        )
    if billing is not None and not billing.get("billingEnabled"):
        raise DeploymentError(
            f"no billing account pays for {wanted.project}",
            f"gcloud billing projects link {wanted.project} --billing-account=ACCOUNT (gcloud billing accounts list)",
        )
    return replace(
        found,
        project_number=str(project["projectNumber"]),
        billing_account=(billing or {}).get("billingAccountName", "").rpartition("/")[2] or found.billing_account,
        apis=frozenset(service["config"]["name"] for service in enabled),
    )


def plan_apis(wanted: Installation, found: Found) -> list[Command]:
    """Enable what is not enabled, all at once."""
    needed = [api for api in apis(wanted) if api not in found.apis]
    command = gcloud("services", "enable", *needed, on="apis", project=wanted.project, minutes="1 to 2")
    return [command] if needed else []


def look_accounts(google: Google, wanted: Installation, found: Found) -> Found:
    """Read the service accounts."""
    listed = google.all("iam", f"/v1/projects/{wanted.project}/serviceAccounts", "accounts", pageSize=100)
    return replace(found, accounts=frozenset(each["email"] for each in listed))


def plan_accounts(wanted: Installation, found: Found) -> list[Command]:
    """Create the accounts; whatever else is made says what each may do with it."""
    return [
        gcloud(
            "iam",
            "service-accounts",
            "create",
            f"headwater-{name}",
            on=f"account/{wanted.account(name)}",
            project=wanted.project,
            display_name=f"Headwater: {name}",
        )
        for name in ACCOUNTS
        if wanted.account(name) not in found.accounts and (name != PIPELINE or wanted.pipeline)
    ]


def look_registry(google: Google, wanted: Installation, found: Found) -> Found:
    """Read the repository and who may write to it."""
    path = f"/v1/projects/{wanted.project}/locations/{wanted.region}/repositories/headwater"
    repository, policies = at_once(
        [
            partial(google.get, "artifactregistry", path),
            partial(access.look, google, wanted, _registry_bindings(wanted)),
        ]
    )
    return replace(found, repository=repository, access=policies)


def plan_registry(wanted: Installation, found: Found) -> list[Command]:
    """Create the repository, in which old images are deleted; builds may write to it, and their log."""
    where: dict[str, Any] = {"on": "repository/headwater", "project": wanted.project, "location": wanted.region}
    words = ("artifacts", "repositories")
    commands = []
    if found.repository is None:
        text = "Headwater's images"
        commands.append(gcloud(*words, "create", "headwater", **where, repository_format="docker", description=text))
    if set((found.repository or {}).get("cleanupPolicies", {})) != _CLEANUP_POLICIES:
        commands.append(
            gcloud(*words, "set-cleanup-policies", "headwater", **where, policy=CLEANUP_FILE, dry_run=False)
        )
    return commands + access.missing(wanted, _registry_bindings(wanted), found.access)


def _registry_bindings(wanted: Installation) -> list[Binding]:
    build = account(wanted, "build")
    return [
        Binding("repository/headwater", "roles/artifactregistry.writer", build),
        Binding(f"project/{wanted.project}", "roles/logging.logWriter", build),
    ]


def look_bucket(google: Google, wanted: Installation, found: Found) -> Found:
    """Read the bucket and who may use it."""
    bucket, policies = at_once(
        [
            partial(google.get, "storage", f"/storage/v1/b/{wanted.bucket}"),
            partial(access.look, google, wanted, _bucket_bindings(wanted)),
        ]
    )
    return replace(found, bucket=bucket, access=policies)


def plan_bucket(wanted: Installation, found: Found) -> list[Command]:
    """Create the bucket: closed to the public, and what is staged in it and forgotten is deleted."""
    where: dict[str, Any] = {"on": f"bucket/{wanted.bucket}", "project": wanted.project}
    words, url = ("storage", "buckets"), f"gs://{wanted.bucket}"
    commands = []
    if found.bucket is None:
        commands.append(
            gcloud(
                *words,
                "create",
                url,
                **where,
                location=wanted.region,
                uniform_bucket_level_access=True,
                public_access_prevention=True,
                soft_delete_duration="0",
                lifecycle_file=LIFECYCLE_FILE,
            )
        )
    elif not found.bucket.get("lifecycle", {}).get("rule"):
        commands.append(gcloud(*words, "update", url, **where, lifecycle_file=LIFECYCLE_FILE))
    return commands + access.missing(wanted, _bucket_bindings(wanted), found.access)


def _bucket_bindings(wanted: Installation) -> list[Binding]:
    bucket = f"bucket/{wanted.bucket}"
    users = [Binding(bucket, "roles/storage.objectUser", account(wanted, name)) for name in ("collection", "job")]
    return [*users, Binding(bucket, "roles/storage.objectViewer", account(wanted, "build"))]
