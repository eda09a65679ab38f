"""Secret values that commands read from stdin.

A value is generated, read from the environment variable `DEPLOY_<NAME>`, or prompted for: at most once, and only when
a command needs it. The prefix keeps values of a local stack, left in a shell, out of a deployment.
"""

import base64
import getpass
import json
import os
import re
import secrets
import sys
import threading
from collections.abc import Callable, Mapping
from urllib.parse import quote, urlsplit, urlunsplit

from headwater.auth.api_keys import hash_key, make_key
from scripts.deployment.cloud.database_url import connection_problem, syntax_problem
from scripts.deployment.cloud.failures import DeploymentError
from scripts.deployment.plan.installation import DATABASE_NAME, DATABASE_OWNER, Installation

PREFIX = "DEPLOY_"

SKIP_CHECK = "--skip-database-check"
"""The flag of scripts/deploy that stores the owner's URL without a connection to the database."""

_HINTS = {
    "DATABASE_ADMIN_URL": "URL of the database's owner, in session mode: postgresql://postgres.REF:…@HOST:5432/postgres",
    "AUTH_SECRET": "the secret shared with the issuer of your user tokens",
    "SMTP_URL": "the server for mails: smtps://USER:PASSWORD@HOST:465",
    "CLOUDFLARE_API_TOKEN": "a token for the pipeline, from the template `Edit Cloudflare Workers`",
}

# For Cloud SQL these are generated, and values from the environment ignored: they belong to another database.
_URLS = ("DATABASE_ADMIN_URL", "DATABASE_URL")

_WORKER_SECRETS = ("AUTH_SECRET", "GOOGLE_SERVICE_ACCOUNT_KEY")


class Values:
    """The values of one run of `scripts/deploy`, thread-safe."""

    def __init__(
        self,
        installation: Installation,
        environ: Mapping[str, str] = os.environ,
        prompt: Callable[[str], str] | None = None,
        connection_problem: Callable[[str, str], str] = connection_problem,
    ) -> None:
        self._installation = installation
        self._connection_problem = connection_problem
        self._environ = environ
        self._prompt = prompt or (getpass.getpass if sys.stdin.isatty() else _no_terminal)
        self._values: dict[str, str] = {}
        self._lock = threading.RLock()

    def set(self, name: str, text: str) -> None:
        """Store the output of a command."""
        self._values[name] = text

    def get(self, name: str) -> str:
        """Return a value. Raises DeploymentError if it is invalid, or if it needs a prompt and there is no terminal."""
        with self._lock:
            if name not in self._values:
                self._values[name] = self._make(name)
            return self._values[name]

    def _make(self, name: str) -> str:
        is_generated = name in _URLS and bool(self._installation.cloudsql_instance)
        if not is_generated and (given := self._environ.get(f"{PREFIX}{name}")):
            return self._check(name, given)
        generated: dict[str, Callable[[], str]] = {
            "SECRET_KEY": lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "DATABASE_OWNER_FLAGS": lambda: json.dumps({"--password": self.get("DATABASE_OWNER_PASSWORD")}),
            "DATABASE_OWNER_PASSWORD": lambda: secrets.token_urlsafe(32),
            "DATABASE_URL": self._database_url,
            "OWNER_KEY": make_key,
            "OWNER_KEY_HASH": lambda: hash_key(self.get("OWNER_KEY")).hex(),
            "WORKER_SECRETS": self._worker_secrets,
            "WORKER_VERSION": self._worker_version,
            "WORKLOAD_JWKS": lambda: json.dumps(json.loads(self.get("WORKLOAD_KEYS"))["public"]),
        }
        if not self._installation.auth.issuer:
            generated["AUTH_SECRET"] = lambda: secrets.token_urlsafe(48)
        if self._installation.cloudsql_instance:
            password = "DATABASE_OWNER_PASSWORD"
            generated["DATABASE_ADMIN_URL"] = lambda: self._socket_url(DATABASE_OWNER, self.get(password))
        if name in generated:
            return generated[name]()
        given = self._prompt(f"{name} ({_HINTS.get(name, 'stored in Secret Manager')}): ")
        return self._check(name, given)

    def _check(self, name: str, text: str) -> str:
        """Check a value that was given, and strip it. Raises DeploymentError if it can't work.

        Only the owner can log in yet: migrations create the other role.
        """
        value = _check_value(name, text, self._installation.role)
        if name == "DATABASE_ADMIN_URL":
            root = dict(self._installation.settings).get("DATABASE_ROOT_CERTIFICATE", "")
            if problem := self._connection_problem(value, root):
                raise DeploymentError(
                    f"{name}: {problem}",
                    f"correct it and run again (if only Google Cloud reaches the database: {SKIP_CHECK})",
                )
        return value

    def _database_url(self) -> str:
        """Return the URL of the functions' role with a new password, which migrations set for that role."""
        password = secrets.token_urlsafe(32)
        if self._installation.cloudsql_instance:
            return self._socket_url(self._installation.role, password)
        return app_url(self.get("DATABASE_ADMIN_URL"), password, self._installation.role)

    def _worker_secrets(self) -> str:
        """Return the Worker's secrets, as far as they are known, in the format of `wrangler secret bulk`."""
        worker_secrets = {name: self._values[name] for name in _WORKER_SECRETS if name in self._values}
        if "WORKLOAD_KEYS" in self._values:
            worker_secrets["WORKLOAD_KEY"] = json.dumps(json.loads(self._values["WORKLOAD_KEYS"])["private"])
        return json.dumps(worker_secrets)

    def _worker_version(self) -> str:
        """Return the ID of the version that `wrangler versions upload` has printed."""
        match = re.search(r"Worker Version ID: (\S+)", self.get("WORKER_UPLOAD"))
        if match is None:
            raise DeploymentError("wrangler printed no version ID after the upload")
        return match[1]

    def _socket_url(self, user: str, password: str) -> str:
        socket = f"/cloudsql/{self._installation.cloudsql_instance}/.s.PGSQL.5432"
        return f"postgresql+pg8000://{user}:{password}@/{DATABASE_NAME}?unix_sock={quote(socket, safe='/')}"


def app_url(admin_url: str, password: str, role: str = "app") -> str:
    """Derive the URL of the functions' role from the owner's.

    Supabase's pooler expects the project in the user name and serves its transaction mode on another port:
    `postgres.ref@aws-0-eu.pooler.supabase.com:5432` gives `app.ref@aws-0-eu.pooler.supabase.com:6543`.
    """
    parts = urlsplit(admin_url)
    _, dot, reference = (parts.username or "").partition(".")
    pooled = (parts.hostname or "").endswith(".pooler.supabase.com")
    port = 6543 if pooled else parts.port
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    authority = f"{role}{dot}{reference}:{quote(password, safe='')}@{host}" + (f":{port}" if port else "")
    return urlunsplit((parts.scheme, authority, parts.path, parts.query, ""))


def _check_value(name: str, value: str, role: str) -> str:
    """Strip and return a value. Raises DeploymentError if it can't work."""
    value = value.strip()
    problem = ""
    if not value:
        problem = "the value is empty"
    elif name == "AUTH_SECRET" and len(value.encode()) < 32:
        problem = "the secret is shorter than 32 bytes"
    elif name in ("DATABASE_URL", "DATABASE_ADMIN_URL"):
        problem = _url_problem(name, value, role)
    if problem:
        raise DeploymentError(f"{name}: {problem}", f"run again and enter {_HINTS.get(name, 'another value')}")
    return value


def _url_problem(name: str, value: str, role: str) -> str:
    if problem := syntax_problem(value):
        return problem
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError as error:
        return f"not a valid URL ({error})"
    is_app, is_admin = (parts.username or "").partition(".")[0] == role, name == "DATABASE_ADMIN_URL"
    problems = {
        "not the URL of a Postgres database": not (
            parts.scheme.startswith("postgres") and parts.hostname and len(parts.path) > 1
        ),
        "the database is on this machine, which Cloud Run can't reach": parts.hostname
        in ("127.0.0.1", "localhost", "::1"),
        f"the functions must connect as the role {role}, which migrations create": not (is_admin or is_app),
        "migrations must connect as the database's owner, with its password": is_admin
        and (is_app or not parts.password),
        "port 6543 is the pooler's transaction mode; migrations need session mode on port 5432": is_admin
        and port == 6543,
    }
    return next((problem for problem, applies in problems.items() if applies), "")


def _no_terminal(prompt: str) -> str:
    name = prompt.partition(" ")[0]
    raise DeploymentError(
        f"{name} is required, but there is no terminal to ask for it",
        f"set the environment variable {PREFIX}{name}, then run again",
    )
