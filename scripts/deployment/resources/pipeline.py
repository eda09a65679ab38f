"""Who a pipeline deploys as (`pipeline = true`): what cloudbuild.yaml's steps need, and no more. Plans are pure.

It reads what is there, and changes the services, the job, the queues, the schedule and the Worker. It grants nothing:
the first deployment, and what new accounts, secrets and rights a later one needs, are a person's.
"""

from dataclasses import replace

from scripts.deployment.cloud.read_cloud import Google
from scripts.deployment.plan.cloud_state import Found
from scripts.deployment.plan.commands import Command
from scripts.deployment.plan.installation import FUNCTIONS, PIPELINE, Installation
from scripts.deployment.resources import access
from scripts.deployment.resources.access import Binding, account
from scripts.deployment.resources.job import JOB
from scripts.deployment.resources.queues import QUEUES
from scripts.deployment.resources.services import service_name

_ACTS_AS = (*FUNCTIONS, "job", "invoker")


def look_pipeline(google: Google, wanted: Installation, found: Found) -> Found:
    """Read what it may do already."""
    return replace(found, access=access.look(google, wanted, _bindings(wanted)))


def plan_pipeline(wanted: Installation, found: Found) -> list[Command]:
    """Let it do what it needs to."""
    return access.missing(wanted, _bindings(wanted), found.access)


def _bindings(wanted: Installation) -> list[Binding]:
    if not wanted.pipeline:
        return []
    services = [f"service/{service_name(function)}" for function in FUNCTIONS]
    granted = {
        # To look at what there is. Schedules have no policies of their own.
        "roles/viewer": [f"project/{wanted.project}"],
        "roles/iam.securityReviewer": [f"project/{wanted.project}"],
        "roles/serviceusage.serviceUsageConsumer": [f"project/{wanted.project}"],
        "roles/cloudscheduler.admin": [f"project/{wanted.project}"],
        "roles/logging.logWriter": [f"project/{wanted.project}"],
        "roles/storage.objectViewer": [f"bucket/{wanted.bucket}"],
        "roles/artifactregistry.writer": ["repository/headwater"],
        "roles/run.developer": [*services, f"job/{JOB}"],
        "roles/iam.serviceAccountUser": [f"account/{wanted.account(name)}" for name in _ACTS_AS],
        "roles/cloudtasks.queueAdmin": [f"queue/{name}" for name in QUEUES],
        # To try new revisions: Cloud Build gives its steps no ID tokens, so it makes its own.
        "roles/run.invoker": services,
        "roles/iam.serviceAccountOpenIdTokenCreator": [f"account/{wanted.account(PIPELINE)}"],
    }
    member = account(wanted, PIPELINE)
    return [Binding(resource, role, member) for role, resources in granted.items() for resource in resources]
