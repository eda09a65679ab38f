"""What is wanted: `deploy.toml`, an environment's name and flags flow in, one frozen `Installation` flows out.

A section of deploy.toml that is not one of those below is an environment (`[staging]`, `[production]`): what stands in
it goes before what stands outside, and flags go before both. No secret is in it.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from headwater.config import Settings
from scripts.deployment.plan.installation import Auth, CloudSql, Installation, Limits
from scripts.deployment.plan.validation import mistakes


class ConfigurationError(Exception):
    """The configuration can't be deployed; the message lists everything that is wrong, and what to write instead."""


_SECTIONS = {"auth": Auth, "limits": Limits, "cloudsql": CloudSql}
_NAMES = ("project", "region", "domain", "database", "owner", "worker_identity")

# Set here, or by the platform, or only on a laptop: not for [settings].
_NOT_GIVEN = set(
    """
auth_audience auth_issuer auth_jwks_url auth_mode auth_secret blob_url cloud_region cloud_run_execution cloud_run_job
cloud_run_task_attempt cloud_run_task_count cloud_run_task_index collection_url database_admin_url database_pool_size
database_url dispatch_deadline_s embedding_url fetch_file_urls fetch_private google_cloud_project google_jwks_url
invoker_service_account job_name k_service local_workspace_id max_job_workers max_tickets model_dir run_endpoint
secret_key sign_up tasks_endpoint threads tick_s
""".upper().split()
)
_SECRET = re.compile(r"_(KEY|SECRET|TOKEN|PASSWORD)$")


def read(path: Path, environment: str, flags: Mapping[str, str]) -> Installation:
    """Read deploy.toml, which may be missing when flags tell enough; raises ConfigurationError."""
    try:
        document = tomllib.loads(path.read_text())
    except FileNotFoundError:
        document = {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} can't be read: {error}") from error
    return installation(document, environment, flags, where=str(path))


def installation(
    document: Mapping[str, Any], environment: str, flags: Mapping[str, str], where: str = "deploy.toml"
) -> Installation:
    """Put an installation together; raises ConfigurationError with one line for everything that is wrong."""
    known = {*_NAMES, *_SECTIONS, "pipeline", "settings"}
    environments = {name: part for name, part in document.items() if name not in known and isinstance(part, dict)}
    wrong = [f"{name}: not known" for name in document if name not in known and name not in environments]
    if environment and environment not in environments:
        names = ", ".join(environments) or "none"
        raise ConfigurationError(f"{where} has no section [{environment}]; it has: {names}")
    if environments and not environment:
        raise ConfigurationError(f"Which environment? scripts/deploy {' | '.join(environments)}")
    own = environments.get(environment, {})
    wrong += [f"{environment}.{name}: not known" for name in own if name not in known]
    layers = [document, own]
    values: dict[str, Any] = {"environment": environment}
    for layer in (*layers, flags):
        values |= {name: layer[name] for name in _NAMES if name in layer}
    for section, kind in _SECTIONS.items():
        values[section] = _section(kind, section, layers, wrong)
    values["settings"] = _settings(layers, wrong)
    for layer in layers:
        if not isinstance(layer.get("pipeline", False), bool):
            wrong.append("pipeline: expected true or false")
        values["pipeline"] = layer.get("pipeline", values.get("pipeline", False))
    wrong += _missing(values, environment)
    wrong += [] if wrong else mistakes(Installation(**values))
    wrong += _shared_projects(environments)
    if wrong:
        raise ConfigurationError(f"{where} and flags can't be deployed:\n  " + "\n  ".join(wrong))
    return Installation(**values)


def _section(kind: type[Any], name: str, layers: list[Mapping[str, Any]], wrong: list[str]) -> Any:
    """Build one section from its layers, the last winning."""
    types = {spec.name: spec.type for spec in fields(kind)}
    values: dict[str, Any] = {}
    for key, value in _merged(name, layers, wrong).items():
        if key not in types:
            wrong.append(f"{name}.{key}: not known; expected one of {', '.join(types)}")
        elif type(value) is not types[key]:
            wrong.append(f"{name}.{key}: {value!r} is not of the type {getattr(types[key], '__name__', '')}")
        else:
            values[key] = value
    return kind(**values)


def _merged(name: str, layers: list[Mapping[str, Any]], wrong: list[str]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for layer in layers:
        part = layer.get(name, {})
        if isinstance(part, dict):
            merged |= part
        else:
            wrong.append(f"{name}: expected a section [{name}]")
    return merged


def _settings(layers: list[Mapping[str, Any]], wrong: list[str]) -> tuple[tuple[str, str], ...]:
    names = {spec.name.upper() for spec in fields(Settings)}
    settings = _merged("settings", layers, wrong)
    for name, value in settings.items():
        if name not in names:
            wrong.append(f"settings.{name}: not known; docs/settings.md names all")
        elif _SECRET.search(name):
            wrong.append(f"settings.{name}: a secret; scripts/deploy asks for those that are needed")
        elif name in _NOT_GIVEN:
            wrong.append(f"settings.{name}: scripts/deploy sets it itself")
        elif not isinstance(value, str | int | float):
            wrong.append(f"settings.{name}: expected text, a number or a truth value")
    texts = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in settings.items()}
    return tuple(sorted(texts.items()))


def _missing(values: Mapping[str, Any], environment: str) -> list[str]:
    section = f" or [{environment}]" if environment else ""
    return [
        f"{name}: missing; write it into deploy.toml{section}, or give --{name}"
        for name in ("project", "region", "domain", "database")
        if not values.get(name)
    ] + [f"{name}: expected text" for name in _NAMES if not isinstance(values.get(name, ""), str)]


def _shared_projects(environments: Mapping[str, Any]) -> list[str]:
    """Find environments that would overwrite each other: in a project all names are Headwater's own."""
    seen: dict[str, str] = {}
    wrong = []
    for name, part in environments.items():
        for key in ("project", "domain"):
            value = part.get(key)
            if value and (other := seen.setdefault(f"{key} {value}", name)) != name:
                wrong.append(f"{name}.{key}: [{other}] has the same; each environment needs its own")
    return wrong
