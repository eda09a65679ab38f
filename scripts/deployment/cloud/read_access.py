"""Read the IAM policies of resources over REST."""

from collections.abc import Callable, Iterable
from functools import partial

from scripts.deployment.cloud.read_cloud import GoogleCloud, Json, escaped, read_concurrently
from scripts.deployment.plan.access import Binding
from scripts.deployment.plan.installation import Installation


def read_access(google: GoogleCloud, installation: Installation, bindings: Iterable[Binding]) -> frozenset[Binding]:
    """Read all bindings of every resource that occurs in `bindings`."""
    resources = sorted({binding.resource for binding in bindings})
    policies = read_concurrently(partial(_read_policy, google, installation, resource) for resource in resources)
    return frozenset(
        Binding(resource, entry["role"], member, entry.get("condition", {}).get("expression", ""))
        for resource, policy in zip(resources, policies, strict=True)
        for entry in (policy or {}).get("bindings", [])
        for member in entry.get("members", [])
    )


def _read_policy(google: GoogleCloud, installation: Installation, resource: str) -> Json | None:
    kind, _, name = resource.partition("/")
    project = f"projects/{installation.project}"
    location = f"{project}/locations/{installation.region}"
    # Without a requested version, the APIs return conditional bindings without their conditions.
    options, version = {"options": {"requestedPolicyVersion": 3}}, {"options.requestedPolicyVersion": 3}
    reads: dict[str, Callable[[], Json | None]] = {
        "project": lambda: google.post("cloudresourcemanager", f"/v1/{project}:getIamPolicy", options),
        "account": lambda: google.post("iam", f"/v1/{project}/serviceAccounts/{name}:getIamPolicy", options),
        "secret": lambda: google.get("secretmanager", f"/v1/{project}/secrets/{name}:getIamPolicy", **version),
        "bucket": lambda: google.get("storage", f"/storage/v1/b/{escaped(name)}/iam", optionsRequestedPolicyVersion=3),
        "repository": lambda: google.get(
            "artifactregistry", f"/v1/{location}/repositories/{name}:getIamPolicy", **version
        ),
        "queue": lambda: google.post("cloudtasks", f"/v2/{location}/queues/{name}:getIamPolicy", options),
        "service": lambda: google.get("run", f"/v2/{location}/services/{name}:getIamPolicy", **version),
        "job": lambda: google.get("run", f"/v2/{location}/jobs/{name}:getIamPolicy", **version),
    }
    return reads[kind]()
