"""Who may do what: bindings of a role to one of our service accounts, each on a single resource. Plans are pure.

Bindings are only ever added, so that what people have granted beside ours stays.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from scripts.deployment.cloud.read_cloud import Google, Json, at_once, escaped
from scripts.deployment.plan.commands import Command, gcloud
from scripts.deployment.plan.installation import Installation


@dataclass(frozen=True, order=True)
class Binding:
    """A role on a resource (`secret/NAME`, `queue/NAME`, …) for a member."""

    resource: str
    role: str
    member: str
    condition: str = ""


def account(wanted: Installation, name: str) -> str:
    """Give one of our service accounts as a member."""
    return f"serviceAccount:{wanted.account(name)}"


def missing(wanted: Installation, bindings: Iterable[Binding], found: frozenset[Binding]) -> list[Command]:
    """Give the commands for the bindings that are not there."""
    return [_grant(wanted, binding) for binding in bindings if binding not in found]


def _grant(wanted: Installation, binding: Binding) -> Command:
    kind, _, name = binding.resource.partition("/")
    words, place = _COMMANDS[kind]
    where = {place: wanted.region} if place else {}
    condition = {"condition": f"expression={binding.condition},title=headwater"} if binding.condition else {}
    if kind == "project" and not condition:
        condition = {"condition": "None"}
    return gcloud(
        *words,
        "add-iam-policy-binding",
        f"gs://{name}" if kind == "bucket" else name,
        on=binding.resource,
        **({"project": wanted.project} if kind != "project" else {}),
        **where,
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


def look(google: Google, wanted: Installation, bindings: Iterable[Binding]) -> frozenset[Binding]:
    """Read the policies of the resources that bindings are on."""
    resources = sorted({binding.resource for binding in bindings})
    policies = at_once(partial(_policy, google, wanted, resource) for resource in resources)
    return frozenset(
        Binding(resource, entry["role"], member, entry.get("condition", {}).get("expression", ""))
        for resource, policy in zip(resources, policies, strict=True)
        for entry in (policy or {}).get("bindings", [])
        for member in entry.get("members", [])
    )


def _policy(google: Google, wanted: Installation, resource: str) -> Json | None:
    kind, _, name = resource.partition("/")
    project, place = f"projects/{wanted.project}", f"projects/{wanted.project}/locations/{wanted.region}"
    # Without a version a policy with conditions is told without them.
    options, version = {"options": {"requestedPolicyVersion": 3}}, {"options.requestedPolicyVersion": 3}
    reads: dict[str, Callable[[], Json | None]] = {
        "project": lambda: google.post("cloudresourcemanager", f"/v1/{project}:getIamPolicy", options),
        "account": lambda: google.post("iam", f"/v1/{project}/serviceAccounts/{name}:getIamPolicy", options),
        "secret": lambda: google.get("secretmanager", f"/v1/{project}/secrets/{name}:getIamPolicy", **version),
        "bucket": lambda: google.get("storage", f"/storage/v1/b/{escaped(name)}/iam", optionsRequestedPolicyVersion=3),
        "repository": lambda: google.get(
            "artifactregistry", f"/v1/{place}/repositories/{name}:getIamPolicy", **version
        ),
        "queue": lambda: google.post("cloudtasks", f"/v2/{place}/queues/{name}:getIamPolicy", options),
        "service": lambda: google.get("run", f"/v2/{place}/services/{name}:getIamPolicy", **version),
        "job": lambda: google.get("run", f"/v2/{place}/jobs/{name}:getIamPolicy", **version),
    }
    return reads[kind]()
