"""The stages of a deployment, in order.

A stage is read, planned and run before the next one is read, so an interrupted deployment continues where it stopped.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from scripts.deployment.cloud.read_cloud import GoogleCloud
from scripts.deployment.plan.cloud_state import CloudState
from scripts.deployment.plan.commands import Command
from scripts.deployment.plan.installation import Installation
from scripts.deployment.resources import (
    alarms,
    dashboard,
    database,
    foundations,
    images,
    job,
    owner,
    pipeline,
    queues,
    secrets,
    services,
    worker,
)

Reader = Callable[[GoogleCloud, Installation, CloudState], CloudState]


@dataclass(frozen=True)
class Stage:
    """One kind of resources: how to read their state, and how to plan the missing commands."""

    name: str
    readers: Sequence[Reader]
    plan: Callable[[Installation, CloudState], list[Command]]

    def read(self, google: GoogleCloud, installation: Installation, state: CloudState) -> CloudState:
        """Read the state that this stage's plan needs."""
        for reader in self.readers:
            state = reader(google, installation, state)
        return state


STAGES = (
    Stage("apis", (), foundations.plan_apis),
    Stage("accounts", (foundations.read_accounts,), foundations.plan_accounts),
    Stage("registry", (foundations.read_registry,), foundations.plan_registry),
    Stage("bucket", (foundations.read_bucket,), foundations.plan_bucket),
    Stage("database", (database.read_database,), database.plan_database),
    Stage("secrets", (secrets.read_secrets,), secrets.plan_secrets),
    Stage("images", (images.read_images,), images.plan_images),
    Stage("job", (secrets.read_secrets, images.read_images, job.read_job), job.plan_job),
    Stage("services", (secrets.read_secrets, images.read_images, services.read_services), services.plan_services),
    Stage("queues", (queues.read_queues,), queues.plan_queues),
    Stage("release", (services.read_services,), services.plan_release),
    Stage("owner", (secrets.read_secrets,), owner.plan_owner),
    Stage("channel", (alarms.read_alarms,), alarms.plan_channel),
    Stage("alarms", (alarms.read_alarms,), alarms.plan_alarms),
    Stage("dashboard", (dashboard.read_dashboards,), dashboard.plan_dashboard),
    Stage("pipeline", (pipeline.read_pipeline,), pipeline.plan_pipeline),
    Stage("worker", (secrets.read_secrets, worker.read_worker), worker.plan_worker),
)
NAMES = tuple(stage.name for stage in STAGES)

WORKER = "worker"
"""The only stage that needs Node, the built web app and a Cloudflare account."""


def from_nothing(installation: Installation, names: Sequence[str]) -> Iterator[tuple[str, list[Command]]]:
    """Plan stages for an empty project, offline."""
    for stage in STAGES:
        if stage.name in names:
            yield stage.name, stage.plan(installation, CloudState())
