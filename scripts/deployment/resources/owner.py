"""The first owner: an API key that is shown once to whoever deploys. Plans are pure.

The key is made here; the job is told its hash alone, which nobody can call with. That it is done is written on the
secret that outlives everything else of an installation.
"""

from typing import Any

from scripts.deployment.plan.cloud_state import Found
from scripts.deployment.plan.commands import Command, gcloud
from scripts.deployment.plan.installation import Installation
from scripts.deployment.resources.job import JOB
from scripts.deployment.resources.secrets import OWNER_LABEL

_SECRET = "headwater-secret-key"


def plan_owner(wanted: Installation, found: Found) -> list[Command]:
    """Make the key, show it, and remember that it was made."""
    if OWNER_LABEL in found.secrets.get(_SECRET, {}).get("labels", {}):
        return []
    where: dict[str, Any] = {"on": "owner", "project": wanted.project}
    arguments = "keys,create,--name=first-owner,--role=owner,--hash=OWNER_KEY_HASH"
    return [
        gcloud(
            "run",
            "jobs",
            "execute",
            JOB,
            **where,
            region=wanted.region,
            args=arguments,
            wait=True,
            minutes="1",
            fill="OWNER_KEY_HASH",
            tell="OWNER_KEY",
        ),
        gcloud("secrets", "update", _SECRET, **where, update_labels=f"{OWNER_LABEL}=made"),
    ]
