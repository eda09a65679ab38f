"""How the Worker authenticates to Google: by workload identity federation, or by a service account key.

With federation the Worker signs assertions with a key of its own, whose public half is uploaded to Google. A service
account key, which new organisations forbid, is created only if `worker_identity = "key"` asks for it; a Worker that has
one keeps it with `auto`. Plans are pure.
"""

from dataclasses import replace
from functools import partial
from typing import Any

from scripts.deployment.cloud.read_access import read_access
from scripts.deployment.cloud.read_cloud import GoogleCloud, read_concurrently
from scripts.deployment.plan.access import Binding, missing
from scripts.deployment.plan.cloud_state import CloudState
from scripts.deployment.plan.commands import Command, gcloud
from scripts.deployment.plan.installation import Installation

POOL = PROVIDER = "headwater"
SUBJECT = "headwater-worker"
"""The `sub` claim of the Worker's assertions."""

_KEY = "GOOGLE_SERVICE_ACCOUNT_KEY"
"""The Worker's secret that contains a service account key."""


def uses_federation(installation: Installation, state: CloudState) -> bool:
    """Return whether the Worker authenticates by federation rather than by a key."""
    has_key = _KEY in state.worker_secrets and "WORKLOAD_KEY" not in state.worker_secrets
    return installation.worker_identity == "federation" or (installation.worker_identity == "auto" and not has_key)


def describe(installation: Installation, state: CloudState) -> str:
    """Say how the Worker authenticates, and why."""
    federation = uses_federation(installation, state)
    method = "workload identity federation" if federation else "a service account key"
    why = "set in deploy.toml"
    if installation.worker_identity == "auto":
        why = "the default" if federation else 'which it already has; to replace it: worker_identity = "federation"'
    return f"the Worker authenticates to Google by {method} ({why})"


def read_identity(google: GoogleCloud, installation: Installation, state: CloudState) -> CloudState:
    """Read the account's keys and the identity pool."""
    account = f"/v1/projects/{installation.project}/serviceAccounts/{installation.account('worker')}"
    pool = f"/v1/projects/{installation.project}/locations/global/workloadIdentityPools/{POOL}"
    keys, identity_pool, provider, policies = read_concurrently(
        [
            partial(google.get, "iam", f"{account}/keys", keyTypes="USER_MANAGED"),
            partial(google.get, "iam", pool),
            partial(google.get, "iam", f"{pool}/providers/{PROVIDER}"),
            partial(read_access, google, installation, _bindings(installation, state)),
        ]
    )
    return replace(
        state,
        worker_keys=tuple(each["name"].rpartition("/")[2] for each in (keys or {}).get("keys", [])),
        pool=identity_pool,
        provider=provider,
        access=policies,
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
        "GOOGLE_WORKLOAD_PROVIDER": f"{pool_name(state)}/providers/{PROVIDER}",
        "GOOGLE_WORKLOAD_ISSUER": f"https://{installation.domain}",
    }


def _key(installation: Installation, state: CloudState) -> list[Command]:
    """Create a key. Only the Worker uses keys of this account: if it has none, existing keys are leftovers."""
    if _KEY in state.worker_secrets:
        return []
    words = ("iam", "service-accounts", "keys", "create", "-")
    account = installation.account("worker")
    create = gcloud(*words, target="worker", project=installation.project, iam_account=account, stdout=_KEY)
    return [*delete_keys(installation, state), create]


def delete_keys(installation: Installation, state: CloudState) -> list[Command]:
    """Delete the keys of the Worker's service account, which nothing else uses."""
    words, account = ("iam", "service-accounts", "keys", "delete"), installation.account("worker")
    return [
        gcloud(*words, key, target="worker", project=installation.project, iam_account=account)
        for key in state.worker_keys
    ]


def _federation(installation: Installation, state: CloudState) -> list[Command]:
    """Create the pool and provider. A new key pair is generated if the Worker or Google lacks its half."""
    pool = ("iam", "workload-identity-pools")
    common: dict[str, Any] = {"target": "worker", "project": installation.project, "location": "global"}
    issuer = f"https://{installation.domain}"
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
                issuer_uri=issuer,
                attribute_mapping="google.subject=assertion.sub",
                jwk_json_path="-",
                stdin="WORKLOAD_JWKS",
            )
        )
    elif state.provider.get("oidc", {}).get("issuerUri", issuer) != issuer:  # the domain has changed
        words = (*pool, "providers", "update-oidc", PROVIDER)
        commands.append(gcloud(*words, **common, workload_identity_pool=POOL, issuer_uri=issuer))
    grants = missing(installation, _bindings(installation, state), state.access)
    return commands + [replace(command, target="worker") for command in grants]


def _bindings(installation: Installation, state: CloudState) -> list[Binding]:
    member = f"principal://iam.googleapis.com/{pool_name(state)}/subject/{SUBJECT}"
    role = "roles/iam.serviceAccountOpenIdTokenCreator"
    return [Binding(f"account/{installation.account('worker')}", role, member)]


def pool_name(state: CloudState) -> str:
    """Return the full name of the workload identity pool."""
    return f"projects/{state.project_number}/locations/global/workloadIdentityPools/{POOL}"
