"""The settings: the environment flows in, one frozen `Settings` flows out.

Only this module reads the environment. `docs/settings.md` names each field, and a test holds it to that.
"""

import base64
import os
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from headwater.errors import ConfigError

LOOPBACK_HOSTS = {"127.0.0.1", "localhost", "::1"}
"""Names of this machine, as `urlsplit` tells them."""


def _setting(help_text: str, default: Any = MISSING, unit: str = "") -> Any:
    """Declare a setting; without a default it is required."""
    return field(default=default, metadata={"help": help_text, "unit": unit})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Every setting, named as its environment variable in lower case."""

    database_url: str = _setting("Postgres as the role `app`: `postgresql+pg8000://app:…@host/db`.")
    database_admin_url: str = _setting(
        "Postgres as the owner, for migrations and index builds; not through a pooler in transaction mode.", ""
    )
    database_root_certificate: str = _setting(
        "Root certificate that the database's is checked with: PEM, or a file. `sslrootcert` in a URL goes first.",
        "",
    )
    database_pool_size: int = _setting("Connections an instance keeps open; at peaks it opens two more.", 4)

    auth_mode: str = _setting("Who may call: `local` (this machine only), or `jwt` (tokens and API keys).", "local")
    auth_issuer: str = _setting("`iss` that tokens must have.", "")
    auth_audience: tuple[str, ...] = _setting("`aud` that tokens must have, one of these, separated by commas.", ())
    auth_jwks_url: str = _setting("Where the issuer publishes its keys (JWKS); for ES256, RS256 and EdDSA tokens.", "")
    auth_secret: str = _setting("Secret shared with the issuer, of 32 bytes or more; for HS256 tokens.", "")
    sign_up: str = _setting(
        "Who gets a workspace: `open` (every valid token), or `invited` (only who is a member already).", "open"
    )
    local_workspace_id: UUID = _setting(
        "The workspace that `AUTH_MODE=local` works in.", UUID("00000000-0000-4000-8000-000000000001")
    )
    google_jwks_url: str = _setting(
        "Where Google publishes the keys of its ID tokens; asked only where Cloud Run hasn't checked them.",
        "https://www.googleapis.com/oauth2/v3/certs",
    )
    cors_origins: tuple[str, ...] = _setting("Origins whose pages may call the API, separated by commas.", ())
    secret_key: str = _setting("Fernet key that encrypts the sources' tokens.", "")

    google_cloud_project: str = _setting("Project of the queues and the job.", "local")
    cloud_region: str = _setting("Region of the queues and the job.", "local")
    tasks_endpoint: str = _setting("Base URL of the Cloud Tasks API; empty for Google's own.", "")
    invoker_service_account: str = _setting(
        "E-mail address that Cloud Tasks and Cloud Scheduler call the functions as.", ""
    )
    collection_url: str = _setting("Base URL of the collection function, as Cloud Tasks calls it.", "")
    embedding_url: str = _setting("Base URL of the embedding function, as Cloud Tasks calls it.", "")
    max_tickets: int = _setting("Tickets outstanding for one queue at most.", 4)

    worker_budget_s: float = _setting("How long one request goes on claiming steps.", 120.0, "s")
    dispatch_deadline_s: float = _setting("Deadline of a Cloud Tasks attempt, 15 to 1800.", 600.0, "s")
    lease_s: float = _setting("How long a step stays with a worker that gives no sign of life.", 30.0, "s")
    watchdog_s: float = _setting("How often open work is looked after.", 30.0, "s")
    max_attempts: int = _setting("Failures of a kind that nobody foresaw after which a step is given up.", 5)
    max_upstream_attempts: int = _setting(
        "Failures of somebody else (a source, a model, a full database) after which a step is given up.", 12
    )

    tick_s: float = _setting("How often Cloud Scheduler calls `/cron/tick`; no schedule may be finer.", 900.0, "s")
    job_name: str = _setting("The Cloud Run job that bulk runs go to; empty for none.", "")
    run_endpoint: str = _setting("Base URL of the Cloud Run Admin API; empty for Google's own.", "")
    bulk_threshold: int = _setting("A run with more changed documents than this goes to the job.", 1000)
    max_job_workers: int = _setting("Job workers that one execution is started with at most.", 4)
    job_patience_s: float = _setting(
        "How long a run waits for a job that claims nothing before tickets go on with it.", 180.0, "s"
    )
    job_idle_s: float = _setting("A job worker that found nothing due for this long ends.", 60.0, "s")

    keep_runs_days: int = _setting(
        "How long ended runs are kept, with their items and steps; each source's last ones for ever.", 90, "days"
    )
    keep_deleted_days: int = _setting("How long removed documents can be restored; then they are gone.", 30, "days")

    blob_url: str = _setting(
        "Where raw bytes are staged: `file:///…`, `gs://…`, `s3://…`; `memory:///` serves one process only.",
        "memory:///",
    )
    max_repo_bytes: int = _setting("Repositories larger than this are refused.", 2 * 1024**3, "bytes")
    max_file_bytes: int = _setting("Files larger than this fail, the run goes on.", 10_000_000, "bytes")
    max_delete_ratio: float = _setting(
        "A listing that would remove more than this share (and at least 20 documents) has its removals withheld.", 0.5
    )
    fetch_batch: int = _setting("Documents that one fetch step takes.", 64)
    fetch_batch_bytes: int = _setting(
        "Documents that together are larger are fetched a step each.", 16_000_000, "bytes"
    )
    extension_timeout_s: float = _setting(
        "How long an extension may take to list a source or to fetch one batch before it is stopped.", 120.0, "s"
    )
    fetch_private: bool = _setting("Whether sources may lie on private and loopback addresses.", False)
    fetch_file_urls: bool = _setting("Whether sources may be `file:` URLs; only ever locally.", False)

    embedding_model: str = _setting(
        "`all-MiniLM-L6-v2`; `openai:MODEL` for a hosted one; `constant` for tests.", "all-MiniLM-L6-v2"
    )
    embedding_base_url: str = _setting("Another server that speaks OpenAI's embeddings protocol.", "")
    embedding_dim: int = _setting("Length of a hosted model's vectors; 0 for what is known of OpenAI's own.", 0)
    embedding_timeout_s: float = _setting("How long a hosted model may take for a batch.", 60.0, "s")
    model_dir: Path = _setting("Folder of the ONNX models.", Path(".headwater/models"))
    embed_batch: int = _setting("Texts that one embed step takes.", 128)

    chat_model: str = _setting(
        "`extractive`, or `provider:model` (anthropic, google_genai, groq, openai).", "extractive"
    )
    openai_api_key: str = _setting("Key for `openai:…` models.", "")
    openai_base_url: str = _setting("Another server that speaks OpenAI's protocol.", "")
    anthropic_api_key: str = _setting("Key for `anthropic:…` models.", "")
    anthropic_base_url: str = _setting("Another server that speaks Anthropic's protocol.", "")
    google_api_key: str = _setting("Key for `google_genai:…` models.", "")
    groq_api_key: str = _setting("Key for `groq:…` models.", "")
    chat_timeout_s: float = _setting("How long a language model may take to answer.", 120.0, "s")
    max_question_chars: int = _setting("Longest question taken.", 32_000, "characters")

    threads: int = _setting("Requests that an instance answers at once: the service's concurrency.", 8)
    k_service: str = _setting("Set by Cloud Run in a service.", "")
    cloud_run_job: str = _setting("Set by Cloud Run in a job.", "")
    cloud_run_execution: str = _setting("Set by Cloud Run in a job: which of its executions this is.", "")
    cloud_run_task_index: int = _setting("Set by Cloud Run: which job worker this is.", 0)
    cloud_run_task_attempt: int = _setting("Set by Cloud Run: how often this job worker has been started before.", 0)
    cloud_run_task_count: int = _setting("Set by Cloud Run: how many job workers there are.", 1)
    log_level: str = _setting("`DEBUG`, `INFO`, `WARNING` or `ERROR`.", "INFO")

    @property
    def on_cloud_run(self) -> bool:
        """Tell whether this process runs on Cloud Run; a job worker that another Cloud Run API started does not."""
        return bool(self.k_service or (self.cloud_run_job and not self.run_endpoint))


_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


def _convert(kind: Any, raw: str) -> Any:
    """Read one value; raises ValueError with what is expected."""
    if kind is bool:
        if raw.lower() not in _TRUE | _FALSE:
            raise ValueError("expected true or false")
        return raw.lower() in _TRUE
    if kind == tuple[str, ...]:
        return tuple(part.strip() for part in raw.split(",") if part.strip())
    if kind in (int, float) and not float(raw) >= 0:
        raise ValueError("expected a number of at least 0")
    return kind(raw)


_AT_LEAST_ONE = {"database_pool_size", "max_tickets", "lease_s", "watchdog_s", "max_attempts", "max_upstream_attempts"}
_AT_LEAST_ONE |= {"fetch_batch", "embed_batch", "max_job_workers", "tick_s", "threads"}
_AT_LEAST_ONE |= {"keep_runs_days", "keep_deleted_days"}


def _contradictions(settings: Settings) -> list[str]:
    """Find settings that are of the right type and can't work, alone or together."""
    found = [f"{name.upper()}: expected at least 1" for name in sorted(_AT_LEAST_ONE) if getattr(settings, name) < 1]
    if settings.secret_key and not _is_fernet_key(settings.secret_key):
        found.append("SECRET_KEY: expected 32 bytes in URL-safe base64, as `Fernet.generate_key()` makes them")
    if settings.log_level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        found.append(f"LOG_LEVEL: {settings.log_level!r} is not known; expected DEBUG, INFO, WARNING or ERROR")
    found += _auth_contradictions(settings)
    if settings.fetch_file_urls and settings.on_cloud_run:
        found.append("FETCH_FILE_URLS: works only off Cloud Run")
    if not settings.worker_budget_s < settings.dispatch_deadline_s:
        found.append("WORKER_BUDGET_S must be under DISPATCH_DEADLINE_S, or Cloud Tasks gives up on a working request")
    if not 15 <= settings.dispatch_deadline_s <= 1800:
        found.append("DISPATCH_DEADLINE_S: Cloud Tasks takes 15 to 1800")
    return found


def _auth_contradictions(settings: Settings) -> list[str]:
    found = []
    if settings.auth_mode not in ("local", "jwt"):
        found.append(f"AUTH_MODE: {settings.auth_mode!r} is not known; expected local or jwt")
    if settings.auth_mode == "local" and settings.on_cloud_run:
        found.append("AUTH_MODE: local works only off Cloud Run; there anybody could call")
    if settings.sign_up not in ("open", "invited"):
        found.append(f"SIGN_UP: {settings.sign_up!r} is not known; expected open or invited")
    if settings.auth_mode == "jwt":
        missing = [name for name in ("auth_issuer", "auth_audience") if not getattr(settings, name)]
        found += [
            f"{name.upper()}: AUTH_MODE=jwt needs it, or tokens made for others would be taken" for name in missing
        ]
        if not settings.auth_jwks_url and not settings.auth_secret:
            found.append("AUTH_JWKS_URL or AUTH_SECRET: AUTH_MODE=jwt needs one of them to verify tokens with")
    if settings.auth_secret and len(settings.auth_secret.encode()) < 32:
        found.append("AUTH_SECRET: expected at least 32 bytes (RFC 7518, 3.2); a shorter one can be guessed")
    for name in ("auth_jwks_url", "google_jwks_url"):
        if (url := getattr(settings, name)) and not _is_private(url):
            found.append(
                f"{name.upper()}: expected https://…, or http:// on this machine; anybody between could forge keys"
            )
    return found


def _is_private(url: str) -> bool:
    """Tell whether nobody can change on its way what is read from a URL."""
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS)
    except ValueError:
        return False


def _is_fernet_key(key: str) -> bool:
    try:
        return len(base64.urlsafe_b64decode(key)) == 32
    except ValueError:
        return False


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read settings from an environment.

    An empty value counts as unset. Raises ConfigError with one line for everything missing or wrong.
    """
    values: dict[str, Any] = {}
    wrong: list[str] = []
    for spec in fields(Settings):
        name, raw = spec.name.upper(), environ.get(spec.name.upper(), "")
        if not raw:
            if _required(spec):
                wrong.append(f"{name}: missing. {spec.metadata['help']}")
            continue
        try:
            values[spec.name] = _convert(spec.type, raw)
        except ValueError as error:
            wrong.append(f"{name}: {raw!r} can't be read ({error})")
    settings = None if wrong else Settings(**values)
    wrong += _contradictions(settings) if settings else []
    if settings is None or wrong:
        raise ConfigError("Settings are missing or wrong:\n  " + "\n  ".join(wrong))
    return settings


def _required(spec: "Field[Any]") -> bool:
    return spec.default is MISSING


@cache
def get_settings() -> Settings:
    """Read the process's own settings, once."""
    return read_settings(os.environ)


def environment_without_settings() -> dict[str, str]:
    """Return the environment for a process that runs code of others: without our settings, so without any key."""
    names = {spec.name.upper() for spec in fields(Settings)}
    return {name: value for name, value in os.environ.items() if name not in names}
