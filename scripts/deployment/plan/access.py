"""IAM bindings: a role for a service account on a single resource, and the commands that grant it. Pure.

Bindings are only ever added, so grants that people made themselves stay.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from scripts.deployment.plan.commands import Command, gcloud
from scripts.deployment.plan.installation import Installation


@dataclass(frozen=True, order=True)
class Binding:
    """A role on a resource (`secret/NAME`, `queue/NAME`, …) for a member."""

    resource: str
    role: str
    member: str
    condition: str = ""


def account(installation: Installation, name: str) -> str:
    """Return the IAM member of one of the installation's service accounts."""
    return f"serviceAccount:{installation.account(name)}"


def missing(installation: Installation, bindings: Iterable[Binding], existing: frozenset[Binding]) -> list[Command]:
    """Return the commands that grant the bindings that don't exist yet."""
    return [_grant(installation, binding) for binding in bindings if binding not in existing]


def _grant(installation: Installation, binding: Binding) -> Command:
    kind, _, name = binding.resource.partition("/")
    words, location_flag = _COMMANDS[kind]
    location = {location_flag: installation.region} if location_flag else {}
    condition = {"condition": f"expression={binding.condition},title=headwater"} if binding.condition else {}
    if kind == "project" and not condition:
        condition = {"condition": "None"}
    return gcloud(
        *words,
        "add-iam-policy-binding",
        f"gs://{name}" if kind == "bucket" else name,
        target=binding.resource,
        **({"project": installation.project} if kind != "project" else {}),
        **location,
        member=binding.member,
        role=binding.role,
        **condition,
    )


_COMMANDS = {
    "project": (("projects",), ""),
    "account": (("iam", "service-accounts"), ""),
    "secret": (("secrets",), ""),
    "bucket": (("storage", "buckets"), ""),
    "repository": (("artifacts", "repositories"), "location"),
    "queue": (("tasks", "queues"), "location"),
    "service": (("run", "services"), "region"),
    "job": (("run", "jobs"), "region"),
}
