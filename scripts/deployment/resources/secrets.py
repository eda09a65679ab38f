"""Secrets in Secret Manager and the accounts that may read each. Plans are pure.

A secret's value is generated or prompted for once, when the secret is created. Services and the job reference a fixed
version, so a new version (`gcloud secrets versions add`) takes effect with the next deployment and its smoke test.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from scripts.deployment.cloud.read_access import read_access
from scripts.deployment.cloud.read_cloud import GoogleCloud, read_concurrently
from scripts.deployment.plan.access import Binding, account, missing
from scripts.deployment.plan.cloud_state import CloudState
from scripts.deployment.plan.commands import Command, gcloud
from scripts.deployment.plan.installation import FUNCTIONS, PIPELINE, Installation

PREFIX = "headwater-"
"""Prefix of every secret's name."""

OWNER_LABEL = "owner-key"
"""Label of the secret that outlives all other resources: the first owner's key exists."""

_ROLE_LABEL = "role"
"""Label of `headwater-database-url`: the role that it connects as, unless that is `app`."""

_PROVIDERS = {
    "anthropic": "ANTHROPIC_API_KEY",
    "azure_openai": "AZURE_OPENAI_API_KEY",
    "cohere": "COHERE_API_KEY",
    "google_genai": "GOOGLE_API_KEY",
    "groq": "GROQ_API_KEY",
    "mistralai": "MISTRAL_API_KEY",
    "openai": "OPENAI_API_KEY",
    "openai_compatible": "OPENAI_COMPATIBLE_API_KEY",
    "openrouter": "OPENROUTER_API_KEY",
}
_RERANKERS = {"cohere": "COHERE_API_KEY", "jina": "JINA_API_KEY", "voyage": "VOYAGE_API_KEY"}
_SEARCH_ENGINES = {"tavily": "TAVILY_API_KEY", "brave": "BRAVE_API_KEY", "google": "GOOGLE_SEARCH_API_KEY"}
_ALL_READERS: tuple[str, ...] = (*FUNCTIONS, "job")


@dataclass(frozen=True)
class Secret:
    """A setting whose value is stored in Secret Manager, and the accounts that may read it."""

    setting: str
    readers: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its name in Secret Manager: `headwater-database-url` for DATABASE_URL."""
        return PREFIX + self.setting.lower().replace("_", "-")


def secrets(installation: Installation) -> list[Secret]:
    """Return the secrets of an installation."""
    required = [
        Secret("DATABASE_URL", _ALL_READERS),
        Secret("DATABASE_ADMIN_URL", ("job",)),
        Secret("SECRET_KEY", ("chat", "collection", "job")),
    ]
    # A pipeline copies AUTH_SECRET to the Worker, and deploys the Worker with the Cloudflare token.
    deployers = (PIPELINE,) if installation.pipeline else ()
    if not installation.auth.jwks_url:
        required.append(Secret("AUTH_SECRET", (*_ALL_READERS, *deployers)))
    if deployers:
        required.append(Secret("CLOUDFLARE_API_TOKEN", deployers))
    settings = dict(installation.settings)
    if settings.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").startswith("https://") and not installation.traces_to_google:
        required.append(Secret("OTEL_EXPORTER_OTLP_HEADERS", _ALL_READERS))
    if settings.get("MAIL_FROM"):
        required.append(Secret("SMTP_URL", ("chat",)))
    return required + _model_keys(settings)


def _model_keys(settings: Mapping[str, str]) -> list[Secret]:
    """Return the providers' keys: chat models, rerankers and searches of the web are used by chat, embedding models by
    all functions."""
    models = (settings.get("CHAT_MODELS") or settings.get("CHAT_MODEL", "")).split(",")
    readers: dict[str, tuple[str, ...]] = {
        _PROVIDERS.get(model.strip().partition(":")[0], ""): ("chat",) for model in models
    }
    readers[_RERANKERS.get(settings.get("RERANKER", "").partition(":")[0], "")] = ("chat",)
    readers[_SEARCH_ENGINES.get(settings.get("WEB_SEARCH", ""), "")] = ("chat",)
    embedding = _PROVIDERS.get(settings.get("EMBEDDING_MODEL", "").partition(":")[0], "")
    readers[embedding] = _ALL_READERS
    return [Secret(setting, who) for setting, who in sorted(readers.items()) if setting]


def references(installation: Installation, state: CloudState, reader: str) -> dict[str, str]:
    """Return a reader's secrets for Cloud Run: setting → `NAME:VERSION`."""
    return {
        secret.setting: f"{secret.name}:{state.versions.get(secret.name, '1')}"
        for secret in secrets(installation)
        if reader in secret.readers
    }


def read_secrets(google: GoogleCloud, installation: Installation, state: CloudState) -> CloudState:
    """Read the secrets' names, newest versions and readers, but no values."""
    path = f"/v1/projects/{installation.project}/secrets"
    policies, listed, *versions = read_concurrently(
        [
            partial(read_access, google, installation, _bindings(installation)),
            lambda: list(google.all("secretmanager", path, "secrets", pageSize=200)),
            *(
                partial(google.get, "secretmanager", f"{path}/{each.name}/versions/latest")
                for each in secrets(installation)
            ),
        ]
    )
    newest = {each.name: version for each, version in zip(secrets(installation), versions, strict=True) if version}
    return replace(
        state,
        secrets={secret["name"].rpartition("/")[2]: secret for secret in listed},
        versions={name: version["name"].rpartition("/")[2] for name, version in newest.items()},
        access=policies,
    )


def plan_secrets(installation: Installation, state: CloudState) -> list[Command]:
    """Create secrets without a value and grant access. For Cloud SQL, the database stage wrote the owner's URL."""
    already_written = "DATABASE_ADMIN_URL" if installation.cloudsql_instance else ""
    missing_values = [
        each for each in secrets(installation) if each.name not in state.versions and each.setting != already_written
    ]
    commands = [write(installation, state, secret) for secret in missing_values]
    return commands + _role(installation, state) + missing(installation, _bindings(installation), state.access)


def _role(installation: Installation, state: CloudState) -> list[Command]:
    """Write the functions' URL again if the role was renamed: a label of the secret records the role."""
    name = Secret("DATABASE_URL", ()).name
    if state.secrets.get(name, {}).get("labels", {}).get(_ROLE_LABEL, "app") == installation.role:
        return []
    common: dict[str, Any] = {"target": f"secret/{name}", "project": installation.project}
    commands = [gcloud("secrets", "update", name, **common, update_labels=f"{_ROLE_LABEL}={installation.role}")]
    if name in state.versions:
        commands.insert(0, gcloud("secrets", "versions", "add", name, **common, data_file="-", stdin="DATABASE_URL"))
        if not installation.cloudsql_instance:
            words, admin = ("secrets", "versions", "access", "latest"), Secret("DATABASE_ADMIN_URL", ())
            commands.insert(0, gcloud(*words, **common, secret=admin.name, stdout=admin.setting))
    return commands


def write(installation: Installation, state: CloudState, secret: Secret) -> Command:
    """Return the command that creates a secret, or adds a version to an existing one."""
    exists = secret.name in state.secrets
    words = ("versions", "add") if exists else ("create",)
    # Replicated in the installation's own region only.
    replication = {} if exists else {"replication_policy": "user-managed", "locations": installation.region}
    common = {"target": f"secret/{secret.name}", "project": installation.project}
    return gcloud("secrets", *words, secret.name, **common, **replication, data_file="-", stdin=secret.setting)


def _bindings(installation: Installation) -> list[Binding]:
    role = "roles/secretmanager.secretAccessor"
    # Vertex AI has no key: the accounts of those that embed may call it, and chat if its models answer.
    callers = _ALL_READERS if installation.embeds_with_vertex_ai else ("chat",)
    vertex = [
        Binding(f"project/{installation.project}", "roles/aiplatform.user", account(installation, reader))
        for reader in (callers if installation.uses_vertex_ai else ())
    ]
    traces = [
        Binding(f"project/{installation.project}", "roles/telemetry.tracesWriter", account(installation, reader))
        for reader in (_ALL_READERS if installation.traces_to_google else ())
    ]
    return [*vertex, *traces] + [
        Binding(f"secret/{secret.name}", role, account(installation, reader))
        for secret in secrets(installation)
        for reader in secret.readers
    ]
