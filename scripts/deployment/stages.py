"""The stages in their order: each looks at what there is, plans what is missing, and only then is anything run.

Looking again at every stage is what makes a deployment resumable: whatever ended it, the next one sees what was done.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from scripts.deployment.cloud.read_cloud import Google
from scripts.deployment.plan.cloud_state import Found
from scripts.deployment.plan.commands import Command
from scripts.deployment.plan.installation import Installation
from scripts.deployment.resources import (
    alarms,
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

Look = Callable[[Google, Installation, Found], Found]


@dataclass(frozen=True)
class Stage:
    """One kind of things: how they are read, and which commands make those that are missing."""

    name: str
    looks: Sequence[Look]
    plan: Callable[[Installation, Found], list[Command]]

    def look(self, google: Google, wanted: Installation, found: Found) -> Found:
        """Read what this stage's plan needs."""
        for look in self.looks:
            found = look(google, wanted, found)
        return found


STAGES = (
    Stage("apis", (), foundations.plan_apis),
    Stage("accounts", (foundations.look_accounts,), foundations.plan_accounts),
    Stage("registry", (foundations.look_registry,), foundations.plan_registry),
    Stage("bucket", (foundations.look_bucket,), foundations.plan_bucket),
    Stage("database", (database.look_database,), database.plan_database),
    Stage("secrets", (secrets.look_secrets,), secrets.plan_secrets),
    Stage("images", (images.look_images,), images.plan_images),
    Stage("job", (secrets.look_secrets, job.look_job), job.plan_job),
    Stage("services", (secrets.look_secrets, services.look_services), services.plan_services),
    Stage("queues", (queues.look_queues,), queues.plan_queues),
    Stage("release", (services.look_services,), services.plan_release),
    Stage("owner", (secrets.look_secrets,), owner.plan_owner),
    Stage("channel", (alarms.look_alarms,), alarms.plan_channel),
    Stage("alarms", (alarms.look_alarms,), alarms.plan_alarms),
    Stage("pipeline", (pipeline.look_pipeline,), pipeline.plan_pipeline),
    Stage("worker", (secrets.look_secrets, worker.look_worker), worker.plan_worker),
)
NAMES = tuple(stage.name for stage in STAGES)

WORKER = "worker"
"""The one stage that needs Node, the built web app, and an account at Cloudflare."""


def from_nothing(wanted: Installation, names: Sequence[str]) -> Iterator[tuple[str, list[Command]]]:
    """Plan stages for an empty project, asking nobody."""
    for stage in STAGES:
        if stage.name in names:
            yield stage.name, stage.plan(wanted, Found())
