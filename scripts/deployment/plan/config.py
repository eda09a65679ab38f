"""Read deploy.toml and command-line flags into an `Installation`.

Sections other than [auth], [limits], [cloudsql], [canary] and [settings] are environments, such as `[staging]`. Values
in an environment override those at the top level, and flags override both. deploy.toml contains no secrets.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from headwater.config import Settings
from scripts.deployment.plan.installation import Auth, Canary, CloudSql, Installation, Limits
from scripts.deployment.plan.validation import validate


class ConfigurationError(Exception):
    """The configuration is invalid; the message lists every problem and how to fix it."""


_SECTIONS = {"auth": Auth, "limits": Limits, "cloudsql": CloudSql, "canary": Canary}
_NAMES = ("project", "region", "domain", "database", "owner", "worker_identity", "build_pool", "promote_from", "github")

# Set by scripts/deploy or by Cloud Run, or only for local development: not allowed in [settings].
_RESERVED = set(
    """
auth_audience auth_issuer auth_jwks_url auth_mode auth_secret blob_url cloud_region cloud_run_execution cloud_run_job
cloud_run_task_attempt cloud_run_task_count cloud_run_task_index collection_url database_admin_url database_pool_size
database_url dispatch_deadline_s embedding_url fetch_file_urls fetch_folders fetch_private google_cloud_project
google_jwks_url invoker_service_account job_name k_service local_token local_workspace_id long_requests max_job_workers
max_tickets model_dir run_endpoint sandbox_url secret_key sign_up tasks_endpoint threads tick_s
""".upper().split()
)
_TYPE_NAMES: Mapping[Any, str] = {int: "a whole number", str: "a string"}
_SECRET = re.compile(r"_(KEY|SECRET|TOKEN|PASSWORD)$|^SMTP_URL$")


def read_installation(path: Path, environment: str, flags: Mapping[str, str]) -> Installation:
    """Read deploy.toml, which is optional if flags contain all that is required. Raises ConfigurationError."""
    try:
        document = tomllib.loads(path.read_text())
    except FileNotFoundError:
        if environment:
            raise ConfigurationError(
                f"{path} doesn't exist. Copy docs/deploy.example.toml to it and edit it, or leave out the environment "
                "and pass --project, --region, --domain and --database"
            ) from None
        document = {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not valid TOML: {error}") from error
    installation = build_installation(document, environment, flags, where=str(path))
    return replace(installation, settings=_read_certificate(installation.settings, path.parent))


def _read_certificate(settings: tuple[tuple[str, str], ...], folder: Path) -> tuple[tuple[str, str], ...]:
    """Replace a file's name in DATABASE_ROOT_CERTIFICATE, relative to deploy.toml, by its text: containers lack it."""

    def read(name: str, value: str) -> str:
        if name != "DATABASE_ROOT_CERTIFICATE" or value == "system" or "-----BEGIN" in value:
            return value
        try:
            return (folder / value).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"settings.{name}: {folder / value} can't be read: {error}") from error

    return tuple((name, read(name, value)) for name, value in settings)


def build_installation(
    document: Mapping[str, Any], environment: str, flags: Mapping[str, str], where: str = "deploy.toml"
) -> Installation:
    """Merge a parsed deploy.toml, an environment and flags. Raises ConfigurationError with a line for each problem."""
    known = {*_NAMES, *_SECTIONS, "pipeline", "settings"}
    environments = {name: part for name, part in document.items() if name not in known and isinstance(part, dict)}
    problems = [f"{name}: unknown key" for name in document if name not in known and name not in environments]
    if environment and environment not in environments:
        names = ", ".join(environments) or "none"
        raise ConfigurationError(f"{where} has no section [{environment}]. Its environments: {names}")
    if environments and not environment:
        raise ConfigurationError(f"Choose an environment: scripts/deploy {' | '.join(environments)}")
    own = environments.get(environment, {})
    problems += [f"{environment}.{name}: unknown key" for name in own if name not in known]
    layers = [document, own]
    values: dict[str, Any] = {"environment": environment}
    for layer in (*layers, flags):
        values |= {name: layer[name] for name in _NAMES if name in layer}
    for section, kind in _SECTIONS.items():
        values[section] = _section(kind, section, layers, problems)
    values["settings"] = _settings(layers, problems)
    for layer in layers:
        if not isinstance(layer.get("pipeline", False), bool):
            problems.append("pipeline: expected true or false")
        values["pipeline"] = layer.get("pipeline", values.get("pipeline", False))
    problems += _missing(values, environment)
    problems += [] if problems else validate(Installation(**values))
    problems += _shared_projects(environments)
    promote_from = values.get("promote_from", "")
    if promote_from and (promote_from not in environments or promote_from == environment):
        problems.append(
            f"promote_from: {promote_from!r} is not another environment of {', '.join(environments) or where}"
        )
    if problems:
        raise ConfigurationError(f"{where} and the flags don't make a valid configuration:\n  " + "\n  ".join(problems))
    return Installation(**values)


def _section(kind: type[Any], name: str, layers: list[Mapping[str, Any]], problems: list[str]) -> Any:
    """Build one section; later layers override earlier ones."""
    types = {spec.name: spec.type for spec in fields(kind)}
    values: dict[str, Any] = {}
    for key, value in _merge(name, layers, problems).items():
        if key not in types:
            problems.append(f"{name}.{key}: unknown key; expected one of {', '.join(types)}")
        elif type(value) is not types[key]:
            problems.append(f"{name}.{key}: expected {_TYPE_NAMES[types[key]]}, got {value!r}")
        else:
            values[key] = value
    return kind(**values)


def _merge(name: str, layers: list[Mapping[str, Any]], problems: list[str]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for layer in layers:
        part = layer.get(name, {})
        if isinstance(part, dict):
            merged |= part
        else:
            problems.append(f"{name}: expected a section [{name}]")
    return merged


def _settings(layers: list[Mapping[str, Any]], problems: list[str]) -> tuple[tuple[str, str], ...]:
    names = {spec.name.upper() for spec in fields(Settings)}
    settings = _merge("settings", layers, problems)
    for name, value in settings.items():
        if name not in names:
            problems.append(f"settings.{name}: unknown setting; docs/settings.md lists all settings")
        elif _SECRET.search(name):
            problems.append(f"settings.{name}: a secret; remove it, scripts/deploy asks for it when needed")
        elif name in _RESERVED:
            problems.append(f"settings.{name}: set by scripts/deploy; remove it")
        elif not isinstance(value, str | int | float):
            problems.append(f"settings.{name}: expected a string, a number, true or false")
    texts = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in settings.items()}
    return tuple(sorted(texts.items()))


def _missing(values: Mapping[str, Any], environment: str) -> list[str]:
    section = f" or [{environment}]" if environment else ""
    return [
        f"{name}: missing; add it to deploy.toml{section} or pass --{name}"
        for name in ("project", "region", "domain", "database")
        if not values.get(name)
    ] + [f"{name}: expected a string" for name in _NAMES if not isinstance(values.get(name, ""), str)]


def _shared_projects(environments: Mapping[str, Any]) -> list[str]:
    """Find environments that would overwrite each other: resource names are fixed within a project."""
    seen: dict[str, str] = {}
    problems = []
    for name, part in environments.items():
        for key in ("project", "domain"):
            value = part.get(key)
            if value and (other := seen.setdefault(f"{key} {value}", name)) != name:
                problems.append(f"{name}.{key}: the same as in [{other}]; each environment needs its own")
    return problems
