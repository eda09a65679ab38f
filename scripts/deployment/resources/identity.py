"""What Google knows the Worker by. Plans are pure.

By a key of its service account, kept among the Worker's secrets. Where the organisation forbids such keys (a policy
that is the default of new ones), the Worker signs assertions with a key of its own, whose public half Google has been
given: workload identity federation. `worker_identity = "auto"` looks which it is.
"""

from dataclasses import replace
from functools import partial
from typing import Any

from scripts.deployment.cloud.failures import DeploymentError
from scripts.deployment.cloud.read_cloud import Google, at_once
from scripts.deployment.plan.cloud_state import Found
from scripts.deployment.plan.commands import Command, gcloud
from scripts.deployment.plan.installation import Installation
from scripts.deployment.resources import access
from scripts.deployment.resources.access import Binding

POOL = PROVIDER = "headwater"
SUBJECT = "headwater-worker"
"""`sub` of the Worker's assertions."""

_FORBIDDING = ("iam.disableServiceAccountKeyCreation", "iam.managed.disableServiceAccountKeyCreation")


def uses_federation(wanted: Installation, found: Found) -> bool:
    """Tell which way Google knows the Worker."""
    return wanted.worker_identity == "federation" or (wanted.worker_identity == "auto" and found.forbids_keys)


def told(wanted: Installation, found: Found) -> str:
    """Say which way it is, and why."""
    why = "as deploy.toml says"
    if wanted.worker_identity == "auto":
        why = f"which the project's policy {'forbids' if found.forbids_keys else 'allows'}"
    if not uses_federation(wanted, found):
        return f"Google knows the Worker by a key of its service account, {why}"
    return f"Google knows the Worker by workload identity federation, {why.replace('which', 'instead of a key, which')}"


def look_identity(google: Google, wanted: Installation, found: Found) -> Found:
    """Read the organisation's policy, the account's keys, and the pool."""
    account = f"/v1/projects/{wanted.project}/serviceAccounts/{wanted.account('worker')}"
    pool = f"/v1/projects/{wanted.project}/locations/global/workloadIdentityPools/{POOL}"
    keys, there, provider, policies, *forbidden = at_once(
        [
            partial(google.get, "iam", f"{account}/keys", keyTypes="USER_MANAGED"),
            partial(google.get, "iam", pool),
            partial(google.get, "iam", f"{pool}/providers/{PROVIDER}"),
            partial(access.look, google, wanted, _bindings(wanted, found)),
            *(partial(_is_enforced, google, wanted, constraint) for constraint in _FORBIDDING),
        ]
    )
    return replace(
        found,
        worker_keys=tuple(each["name"].rpartition("/")[2] for each in (keys or {}).get("keys", [])),
        pool=there,
        provider=provider,
        access=policies,
        forbids_keys=any(forbidden),
    )


def plan_identity(wanted: Installation, found: Found) -> list[Command]:
    """Make what the Worker, or Google, lacks; the Worker's half is kept for its secrets."""
    return _federation(wanted, found) if uses_federation(wanted, found) else _key(wanted, found)


def variables(wanted: Installation, found: Found) -> dict[str, str]:
    """Give what the Worker must know besides its secret."""
    if not uses_federation(wanted, found):
        return {}
    return {
        "GOOGLE_SERVICE_ACCOUNT": wanted.account("worker"),
        "GOOGLE_WORKLOAD_PROVIDER": f"{_pool_name(found)}/providers/{PROVIDER}",
        "GOOGLE_WORKLOAD_ISSUER": f"https://{wanted.domain}",
    }


def _key(wanted: Installation, found: Found) -> list[Command]:
    """Nobody but the Worker ever has a key, so those there are when it has none are nobody's."""
    if "GOOGLE_SERVICE_ACCOUNT_KEY" in found.worker_secrets:
        return []
    keys = ("iam", "service-accounts", "keys")
    flags: dict[str, Any] = {"on": "worker", "project": wanted.project, "iam_account": wanted.account("worker")}
    return [
        *(gcloud(*keys, "delete", key, **flags) for key in found.worker_keys),
        gcloud(*keys, "create", "-", **flags, keep="GOOGLE_SERVICE_ACCOUNT_KEY"),
    ]


def _federation(wanted: Installation, found: Found) -> list[Command]:
    """A key that only the Worker has is made again when the Worker, or Google, lacks its half."""
    pool = ("iam", "workload-identity-pools")
    where: dict[str, Any] = {"on": "worker", "project": wanted.project, "location": "global"}
    commands = []
    if found.pool is None:
        commands.append(gcloud(*pool, "create", POOL, **where, display_name="Headwater"))
    if found.provider is None or "WORKLOAD_KEY" not in found.worker_secrets:
        make = ("edge/scripts/workload-key.mjs",)
        commands.append(Command(program="node", arguments=make, target="worker", keep="WORKLOAD_KEYS"))
        commands.append(
            gcloud(
                *pool,
                "providers",
                "create-oidc" if found.provider is None else "update-oidc",
                PROVIDER,
                **where,
                workload_identity_pool=POOL,
                issuer_uri=f"https://{wanted.domain}",
                attribute_mapping="google.subject=assertion.sub",
                jwk_json_path="-",
                feed="WORKLOAD_JWKS",
            )
        )
    granted = access.missing(wanted, _bindings(wanted, found), found.access)
    return commands + [replace(command, target="worker") for command in granted]


def _bindings(wanted: Installation, found: Found) -> list[Binding]:
    member = f"principal://iam.googleapis.com/{_pool_name(found)}/subject/{SUBJECT}"
    role = "roles/iam.serviceAccountOpenIdTokenCreator"
    return [Binding(f"account/{wanted.account('worker')}", role, member)]


def _pool_name(found: Found) -> str:
    return f"projects/{found.project_number}/locations/global/workloadIdentityPools/{POOL}"


def _is_enforced(google: Google, wanted: Installation, constraint: str) -> bool:
    """Tell whether a policy holds here; whoever may not read policies finds out by making a key."""
    try:
        policy = google.get("orgpolicy", f"/v2/projects/{wanted.project}/policies/{constraint}:getEffectivePolicy")
    except DeploymentError:
        return False
    return any(rule.get("enforce") for rule in (policy or {}).get("spec", {}).get("rules", []))
