"""How the Worker authenticates to Google: by a service account key, or by workload identity federation.

The key is stored as a secret of the Worker. Where the organisation forbids service account keys, which is the default
for new organisations, the Worker signs assertions with its own key, whose public half is uploaded to Google.
`worker_identity = "auto"` chooses by the organisation's policy. Plans are pure.
"""

from dataclasses import replace
from functools import partial
from typing import Any

from scripts.deployment.cloud.failures import DeploymentError
from scripts.deployment.cloud.read_access import read_access
from scripts.deployment.cloud.read_cloud import GoogleCloud, read_concurrently
from scripts.deployment.plan.access import Binding, missing
from scripts.deployment.plan.cloud_state import CloudState
from scripts.deployment.plan.commands import Command, gcloud
from scripts.deployment.plan.installation import Installation

POOL = PROVIDER = "headwater"
SUBJECT = "headwater-worker"
"""The `sub` claim of the Worker's assertions."""

_KEY_CONSTRAINTS = ("iam.disableServiceAccountKeyCreation", "iam.managed.disableServiceAccountKeyCreation")


def uses_federation(installation: Installation, state: CloudState) -> bool:
    """Return whether the Worker authenticates by federation rather than by a key."""
    return installation.worker_identity == "federation" or (
        installation.worker_identity == "auto" and state.keys_forbidden
    )


def describe(installation: Installation, state: CloudState) -> str:
    """Say how the Worker authenticates, and why."""
    federation = uses_federation(installation, state)
    method = "workload identity federation" if federation else "a service account key"
    why = "set in deploy.toml"
    if installation.worker_identity == "auto":
        why = f"the organisation's policy {'forbids' if state.keys_forbidden else 'allows'} service account keys"
    return f"the Worker authenticates to Google by {method} ({why})"


def read_identity(google: GoogleCloud, installation: Installation, state: CloudState) -> CloudState:
    """Read the organisation's policy, the account's keys and the identity pool."""
    account = f"/v1/projects/{installation.project}/serviceAccounts/{installation.account('worker')}"
    pool = f"/v1/projects/{installation.project}/locations/global/workloadIdentityPools/{POOL}"
    keys, identity_pool, provider, policies, *forbidden = read_concurrently(
        [
            partial(google.get, "iam", f"{account}/keys", keyTypes="USER_MANAGED"),
            partial(google.get, "iam", pool),
            partial(google.get, "iam", f"{pool}/providers/{PROVIDER}"),
            partial(read_access, google, installation, _bindings(installation, state)),
            *(partial(_is_enforced, google, installation, constraint) for constraint in _KEY_CONSTRAINTS),
        ]
    )
    return replace(
        state,
        worker_keys=tuple(each["name"].rpartition("/")[2] for each in (keys or {}).get("keys", [])),
        pool=identity_pool,
        provider=provider,
        access=policies,
        keys_forbidden=any(forbidden),
    )


def plan_identity(installation: Installation, state: CloudState) -> list[Command]:
    """Create the key or federation that is missing. The Worker's private key becomes one of its secrets."""
    return _federation(installation, state) if uses_federation(installation, state) else _key(installation, state)


def variables(installation: Installation, state: CloudState) -> dict[str, str]:
    """Return the Worker's variables for federation."""
    if not uses_federation(installation, state):
        return {}
    return {
        "GOOGLE_SERVICE_ACCOUNT": installation.account("worker"),
        "GOOGLE_WORKLOAD_PROVIDER": f"{_pool_name(state)}/providers/{PROVIDER}",
        "GOOGLE_WORKLOAD_ISSUER": f"https://{installation.domain}",
    }


def _key(installation: Installation, state: CloudState) -> list[Command]:
    """Only the Worker uses keys of this account: if it has none, existing keys are leftovers and are deleted."""
    if "GOOGLE_SERVICE_ACCOUNT_KEY" in state.worker_secrets:
        return []
    keys = ("iam", "service-accounts", "keys")
    flags: dict[str, Any] = {
        "target": "worker",
        "project": installation.project,
        "iam_account": installation.account("worker"),
    }
    return [
        *(gcloud(*keys, "delete", key, **flags) for key in state.worker_keys),
        gcloud(*keys, "create", "-", **flags, stdout="GOOGLE_SERVICE_ACCOUNT_KEY"),
    ]


def _federation(installation: Installation, state: CloudState) -> list[Command]:
    """Create the pool and provider. A new key pair is generated if the Worker or Google lacks its half."""
    pool = ("iam", "workload-identity-pools")
    common: dict[str, Any] = {"target": "worker", "project": installation.project, "location": "global"}
    commands = []
    if state.pool is None:
        commands.append(gcloud(*pool, "create", POOL, **common, display_name="Headwater"))
    if state.provider is None or "WORKLOAD_KEY" not in state.worker_secrets:
        script = ("edge/scripts/workload-key.mjs",)
        commands.append(Command(program="node", arguments=script, target="worker", stdout="WORKLOAD_KEYS"))
        commands.append(
            gcloud(
                *pool,
                "providers",
                "create-oidc" if state.provider is None else "update-oidc",
                PROVIDER,
                **common,
                workload_identity_pool=POOL,
                issuer_uri=f"https://{installation.domain}",
                attribute_mapping="google.subject=assertion.sub",
                jwk_json_path="-",
                stdin="WORKLOAD_JWKS",
            )
        )
    grants = missing(installation, _bindings(installation, state), state.access)
    return commands + [replace(command, target="worker") for command in grants]


def _bindings(installation: Installation, state: CloudState) -> list[Binding]:
    member = f"principal://iam.googleapis.com/{_pool_name(state)}/subject/{SUBJECT}"
    role = "roles/iam.serviceAccountOpenIdTokenCreator"
    return [Binding(f"account/{installation.account('worker')}", role, member)]


def _pool_name(state: CloudState) -> str:
    return f"projects/{state.project_number}/locations/global/workloadIdentityPools/{POOL}"


def _is_enforced(google: GoogleCloud, installation: Installation, constraint: str) -> bool:
    """Return whether a constraint applies; False if the caller may not read policies. Creating a key fails then."""
    try:
        policy = google.get(
            "orgpolicy", f"/v2/projects/{installation.project}/policies/{constraint}:getEffectivePolicy"
        )
    except DeploymentError:
        return False
    return any(rule.get("enforce") for rule in (policy or {}).get("spec", {}).get("rules", []))
