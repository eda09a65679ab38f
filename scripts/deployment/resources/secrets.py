"""Secrets in Secret Manager: which there are, who may read each, and the commands that are missing. Plans are pure.

A secret is made once and its value asked for or generated only then. Services and the job name the version they use, so
that a new version (`gcloud secrets versions add`) reaches them with the next deployment, smoke test and all.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from scripts.deployment.cloud.read_cloud import Google, at_once
from scripts.deployment.plan.cloud_state import Found
from scripts.deployment.plan.commands import Command, gcloud
from scripts.deployment.plan.installation import FUNCTIONS, PIPELINE, Installation
from scripts.deployment.resources import access
from scripts.deployment.resources.access import Binding, account

PREFIX = "headwater-"
"""What the name of every secret begins with."""

OWNER_LABEL = "owner-key"
"""On the secret that outlives everything else: says that the first owner has a key."""

_PROVIDERS = {
    "anthropic": "ANTHROPIC_API_KEY",
    "google_genai": "GOOGLE_API_KEY",
    "groq": "GROQ_API_KEY",
    "openai": "OPENAI_API_KEY",
}
_EVERYBODY: tuple[str, ...] = (*FUNCTIONS, "job")


@dataclass(frozen=True)
class Secret:
    """A setting whose value is kept in Secret Manager, and the accounts that may read it."""

    setting: str
    readers: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its name there: `headwater-database-url` for DATABASE_URL."""
        return PREFIX + self.setting.lower().replace("_", "-")


def secrets(wanted: Installation) -> list[Secret]:
    """Name the secrets of an installation."""
    needed = [
        Secret("DATABASE_URL", _EVERYBODY),
        Secret("DATABASE_ADMIN_URL", ("job",)),
        Secret("SECRET_KEY", ("collection", "job")),
    ]
    # The Worker's own copy, and the right to deploy it: a pipeline hands on the one and uses the other.
    deploys = (PIPELINE,) if wanted.pipeline else ()
    if not wanted.auth.jwks_url:
        needed.append(Secret("AUTH_SECRET", (*_EVERYBODY, *deploys)))
    if deploys:
        needed.append(Secret("CLOUDFLARE_API_TOKEN", deploys))
    return needed + _model_keys(dict(wanted.settings))


def _model_keys(settings: Mapping[str, str]) -> list[Secret]:
    """Name the keys of model providers: chat models are asked by the chat alone, embedding models by all that embed."""
    models = settings.get("CHAT_MODEL", "").split(",")
    readers: dict[str, tuple[str, ...]] = {
        _PROVIDERS.get(model.strip().partition(":")[0], ""): ("chat",) for model in models
    }
    if settings.get("EMBEDDING_MODEL", "").startswith("openai:"):
        readers["OPENAI_API_KEY"] = ("chat", "embedding", "job")
    return [Secret(setting, who) for setting, who in sorted(readers.items()) if setting]


def references(wanted: Installation, found: Found, reader: str) -> dict[str, str]:
    """Give a reader's secrets as Cloud Run takes them: the setting, and `NAME:VERSION`."""
    return {
        secret.setting: f"{secret.name}:{found.versions.get(secret.name, '1')}"
        for secret in secrets(wanted)
        if reader in secret.readers
    }


def look_secrets(google: Google, wanted: Installation, found: Found) -> Found:
    """Read the secrets' names, newest versions and readers; never a value."""
    path = f"/v1/projects/{wanted.project}/secrets"
    policies, listed, *versions = at_once(
        [
            partial(access.look, google, wanted, _bindings(wanted)),
            lambda: list(google.all("secretmanager", path, "secrets", pageSize=200)),
            *(partial(google.get, "secretmanager", f"{path}/{each.name}/versions/latest") for each in secrets(wanted)),
        ]
    )
    newest = {each.name: version for each, version in zip(secrets(wanted), versions, strict=True) if version}
    return replace(
        found,
        secrets={secret["name"].rpartition("/")[2]: secret for secret in listed},
        versions={name: version["name"].rpartition("/")[2] for name, version in newest.items()},
        access=policies,
    )


def plan_secrets(wanted: Installation, found: Found) -> list[Command]:
    """Make what has no value yet, and let its readers read it; Cloud SQL's owner has been given its own already."""
    made = "DATABASE_ADMIN_URL" if wanted.cloudsql_instance else ""
    lacking = [each for each in secrets(wanted) if each.name not in found.versions and each.setting != made]
    commands = [write(wanted, found, secret) for secret in lacking]
    return commands + access.missing(wanted, _bindings(wanted), found.access)


def write(wanted: Installation, found: Found, secret: Secret) -> Command:
    """Give the command that makes a secret, or a version of one that is there."""
    is_there = secret.name in found.secrets
    words = ("versions", "add") if is_there else ("create",)
    # In the region alone: nothing of an installation is elsewhere.
    more = {} if is_there else {"replication_policy": "user-managed", "locations": wanted.region}
    where = {"on": f"secret/{secret.name}", "project": wanted.project}
    return gcloud("secrets", *words, secret.name, **where, **more, data_file="-", feed=secret.setting)


def _bindings(wanted: Installation) -> list[Binding]:
    role = "roles/secretmanager.secretAccessor"
    return [
        Binding(f"secret/{secret.name}", role, account(wanted, reader))
        for secret in secrets(wanted)
        for reader in secret.readers
    ]
