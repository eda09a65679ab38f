"""Access of the service account that a pipeline deploys as (`pipeline = true`): Cloud Build or GitHub. Plans are pure.

It may read the project and change the services, the job, the queues, the schedule and the Worker: what the steps of
cloudbuild.yaml need. It can't grant access, so the first deployment, and later ones that add accounts, secrets or
bindings, are run by a person.

Workflows of the repository `github` become the account by workload identity federation, without a key, but only in
the GitHub environment that has the installation's name. They also start the builds of images.
"""

from dataclasses import replace
from functools import partial

from scripts.deployment.cloud.read_access import read_access
from scripts.deployment.cloud.read_cloud import GoogleCloud, read_concurrently
from scripts.deployment.plan.access import Binding, account, missing
from scripts.deployment.plan.cloud_state import CloudState
from scripts.deployment.plan.commands import Command, gcloud
from scripts.deployment.plan.installation import FUNCTIONS, PIPELINE, SANDBOX, Installation
from scripts.deployment.resources.identity import POOL, pool_name
from scripts.deployment.resources.job import JOB
from scripts.deployment.resources.queues import QUEUES
from scripts.deployment.resources.services import service_name

_GITHUB = "github"
"""The provider of GitHub's identities, in the pool that has the Worker's too."""

_ACTS_AS = (*FUNCTIONS, SANDBOX, "job", "invoker")


def read_pipeline(google: GoogleCloud, installation: Installation, state: CloudState) -> CloudState:
    """Read the account's access, and the provider of GitHub's identities."""
    pool = f"/v1/projects/{installation.project}/locations/global/workloadIdentityPools/{POOL}"
    access, identity_pool, provider = read_concurrently(
        [
            partial(read_access, google, installation, _bindings(installation, state)),
            partial(google.get, "iam", pool),
            partial(google.get, "iam", f"{pool}/providers/{_GITHUB}"),
        ]
    )
    return replace(state, access=access, pool=identity_pool, github=provider)


def plan_pipeline(installation: Installation, state: CloudState) -> list[Command]:
    """Grant the access that is missing."""
    return _github(installation, state) + missing(installation, _bindings(installation, state), state.access)


def _github(installation: Installation, state: CloudState) -> list[Command]:
    """Trust the identities of one repository's workflows; the binding names the environment."""
    if not (installation.pipeline and installation.github):
        return []
    condition = f"assertion.repository == '{installation.github}'"
    words, common = ("iam", "workload-identity-pools"), {"project": installation.project, "location": "global"}
    commands = []
    if state.pool is None:
        commands.append(gcloud(*words, "create", POOL, target="github", **common, display_name="Headwater"))
    if (state.github or {}).get("attributeCondition") != condition:
        mapping = "google.subject=assertion.sub,attribute.target=assertion.repository+'/'+assertion.environment"
        verb = "create-oidc" if state.github is None else "update-oidc"
        commands.append(
            gcloud(
                *words,
                "providers",
                verb,
                _GITHUB,
                target="github",
                **common,
                workload_identity_pool=POOL,
                issuer_uri="https://token.actions.githubusercontent.com",
                attribute_mapping=mapping,
                attribute_condition=condition,
            )
        )
    return commands


def _bindings(installation: Installation, state: CloudState) -> list[Binding]:
    if not installation.pipeline:
        return []
    services = [f"service/{service_name(name)}" for name in installation.services]
    grants = {
        # Read the state. Schedules have no IAM policies of their own, hence cloudscheduler.admin.
        "roles/viewer": [f"project/{installation.project}"],
        "roles/iam.securityReviewer": [f"project/{installation.project}"],
        "roles/serviceusage.serviceUsageConsumer": [f"project/{installation.project}"],
        "roles/cloudscheduler.admin": [f"project/{installation.project}"],
        "roles/logging.logWriter": [f"project/{installation.project}"],
        "roles/storage.objectViewer": [f"bucket/{installation.bucket}"],
        "roles/artifactregistry.writer": ["repository/headwater"],
        "roles/run.developer": [*services, f"job/{JOB}"],
        "roles/iam.serviceAccountUser": [f"account/{installation.account(name)}" for name in _ACTS_AS],
        "roles/cloudtasks.queueAdmin": [f"queue/{name}" for name in QUEUES],
        # Smoke-test new revisions: Cloud Build provides no ID tokens, so the account creates its own.
        "roles/run.invoker": services,
        "roles/iam.serviceAccountOpenIdTokenCreator": [f"account/{installation.account(PIPELINE)}"],
    }
    member = account(installation, PIPELINE)
    bindings = [Binding(resource, role, member) for role, resources in grants.items() for resource in resources]
    return bindings + (_github_bindings(installation, state, member) if installation.github else [])


def _github_bindings(installation: Installation, state: CloudState, member: str) -> list[Binding]:
    """Let the workflows of one environment be the account, and the account start builds of images."""
    bucket = f"bucket/{installation.bucket}"
    target = f"{installation.github}/{installation.environment or 'production'}"
    workflows = f"principalSet://iam.googleapis.com/{pool_name(state)}/attribute.target/{target}"
    return [
        Binding(f"account/{installation.account(PIPELINE)}", "roles/iam.workloadIdentityUser", workflows),
        Binding(f"account/{installation.account('build')}", "roles/iam.serviceAccountUser", member),
        Binding(f"project/{installation.project}", "roles/cloudbuild.builds.editor", member),
        Binding(bucket, "roles/storage.objectUser", member),
        Binding(bucket, "roles/storage.legacyBucketReader", member),
    ]
