"""Access of the service account that a Cloud Build pipeline deploys as (`pipeline = true`). Plans are pure.

It may read the project and change the services, the job, the queues, the schedule and the Worker: what the steps of
cloudbuild.yaml need. It can't grant access, so the first deployment, and later ones that add accounts, secrets or
bindings, are run by a person.
"""

from dataclasses import replace

from scripts.deployment.cloud.read_access import read_access
from scripts.deployment.cloud.read_cloud import GoogleCloud
from scripts.deployment.plan.access import Binding, account, missing
from scripts.deployment.plan.cloud_state import CloudState
from scripts.deployment.plan.commands import Command
from scripts.deployment.plan.installation import FUNCTIONS, PIPELINE, Installation
from scripts.deployment.resources.job import JOB
from scripts.deployment.resources.queues import QUEUES
from scripts.deployment.resources.services import service_name

_ACTS_AS = (*FUNCTIONS, "job", "invoker")


def read_pipeline(google: GoogleCloud, installation: Installation, state: CloudState) -> CloudState:
    """Read the account's access."""
    return replace(state, access=read_access(google, installation, _bindings(installation)))


def plan_pipeline(installation: Installation, state: CloudState) -> list[Command]:
    """Grant the access that is missing."""
    return missing(installation, _bindings(installation), state.access)


def _bindings(installation: Installation) -> list[Binding]:
    if not installation.pipeline:
        return []
    services = [f"service/{service_name(function)}" for function in FUNCTIONS]
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
    return [Binding(resource, role, member) for role, resources in grants.items() for resource in resources]
