"""The first owner's API key, shown once to the user who deploys. Plans are pure.

The key is generated here and the job receives only its hash. A label on the secret that outlives all other resources
records that the key was created.
"""

from typing import Any

from scripts.deployment.plan.cloud_state import CloudState
from scripts.deployment.plan.commands import Command, gcloud
from scripts.deployment.plan.installation import Installation
from scripts.deployment.resources.job import JOB
from scripts.deployment.resources.secrets import OWNER_LABEL

_SECRET = "headwater-secret-key"


def plan_owner(installation: Installation, state: CloudState) -> list[Command]:
    """Create and show the key, and record that it exists."""
    if OWNER_LABEL in state.secrets.get(_SECRET, {}).get("labels", {}):
        return []
    common: dict[str, Any] = {"target": "owner", "project": installation.project}
    arguments = "keys,create,--name=first-owner,--role=owner,--hash=OWNER_KEY_HASH"
    return [
        gcloud(
            "run",
            "jobs",
            "execute",
            JOB,
            **common,
            region=installation.region,
            args=arguments,
            wait=True,
            minutes="1",
            placeholder="OWNER_KEY_HASH",
            show="OWNER_KEY",
        ),
        gcloud("secrets", "update", _SECRET, **common, update_labels=f"{OWNER_LABEL}=made"),
    ]
