"""The services and settings of the one container.

Unlike on a laptop, settings come from the container's environment, Postgres is elsewhere, and the Worker listens on all
addresses. The other services listen on loopback only.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote, urlsplit, urlunsplit

from headwater.config import Settings
from headwater.errors import ConfigError
from scripts.local.readiness import http_check
from scripts.local.stack import (
    DIRECT,
    FUNCTIONS,
    ROOT,
    Service,
    Stack,
    background_services,
    default_settings,
    inherited,
    worker_variables,
)

DATA = Path("/data/headwater")
"""A folder on the volume. The volume itself may belong to another user."""
PORT = 8080

# How the image runs Python. On a laptop these would be the calling shell's.
_OF_THE_IMAGE = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")


class ContainerStack(Stack):
    """The services of the one container. `data` is its volume."""

    name: ClassVar = "container"
    graceful_timeout_s: ClassVar = 7

    @property
    def temporary(self) -> Path:
        """The folder for temporary files. It is on the volume: `/tmp` may be memory, and repositories are large."""
        return self.data / "tmp"

    def own_settings(self) -> dict[str, str]:
        """Return the settings that follow from the container itself."""
        return self.service_settings() | {"TMPDIR": str(self.temporary)}

    def environment(self) -> dict[str, str]:
        """Return the environment of the container's processes. Raises ConfigError without a database."""
        given = {name: value for name, value in inherited().items() if value}  # compose.yaml passes unset ones as ""
        given |= {name: os.environ[name] for name in _OF_THE_IMAGE if name in os.environ}
        stored = {"BLOB_URL": (self.data / "blobs").as_uri(), "SECRET_KEY": self.stored_secrets["secret_key"]}
        database = database_settings(given, self.stored_secrets["app_password"])
        return default_settings() | stored | given | database | self.own_settings() | DIRECT

    def services(self) -> dict[str, Service]:
        """Return every service by name, in start order."""
        environment = self.environment()
        services = [*background_services(self, environment), _edge(self, environment)]
        return {service.name: service for service in services}


def database_settings(given: Mapping[str, str], app_password: str) -> dict[str, str]:
    """Return the database's settings. Without DATABASE_URL, it is the owner's URL with the functions' role.

    Raises ConfigError without the owner's URL, which migrations need.
    """
    owner_url = given.get("DATABASE_ADMIN_URL", "")
    if not owner_url:
        raise ConfigError("DATABASE_ADMIN_URL: required, the Postgres URL of the database's owner, for migrations")
    role = given.get("DATABASE_ROLE", "app")
    url = given.get("DATABASE_URL") or _as_role(owner_url, role, app_password)
    return {"DATABASE_ADMIN_URL": owner_url, "DATABASE_URL": url}


def _as_role(url: str, role: str, password: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(role, safe='')}:{quote(password, safe='')}@{host}"))


def _is_behind_proxy(environment: Mapping[str, str]) -> bool:
    value = environment.get("BEHIND_PROXY", "false")
    if value not in ("true", "false"):
        raise ConfigError("BEHIND_PROXY: expected true or false")
    return value == "true"


def port_of(environment: Mapping[str, str]) -> int:
    """Return the Worker's port, `PORT`. Raises ConfigError if it is no port that leaves four for the services."""
    value = environment.get("PORT") or str(PORT)
    if not value.isdecimal() or not 1 <= int(value) <= 65_531:
        raise ConfigError("PORT: expected a number from 1 to 65531")
    return int(value)


def _edge(stack: Stack, environment: Mapping[str, str]) -> Service:
    port = stack.port("edge")
    checks = {name: f"{stack.url(name)}/ready" for name in FUNCTIONS}
    checks |= {"localcloud": f"{stack.url('localcloud')}/heartbeat"}
    options = {
        "port": port,
        "variables": worker_variables(stack, environment),
        "checks": checks,
        "behindProxy": _is_behind_proxy(environment),
    }
    # The Worker gets none of the functions' settings and secrets, except for its own variables.
    settings = {spec.name.upper() for spec in fields(Settings)}
    system = {name: value for name, value in environment.items() if name not in settings}
    return Service(
        name="edge",
        port=port,
        command=("node", str(ROOT / "edge" / "container" / "serve.mjs")),
        environment={**system, "SERVE_OPTIONS": json.dumps(options)},
        check_ready=http_check(port, "/env"),
        popen={"cwd": ROOT / "edge"},
        can_hang=True,
    )
