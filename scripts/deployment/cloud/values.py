"""Values that no command line may hold: a name flows in, the text that goes in by stdin flows out.

They are generated, read from the environment (`DEPLOY_` before their name, so that nothing left over in a shell from a
laptop's stack gets into a deployment), or asked for, each at most once and only when a command needs it.
"""

import base64
import getpass
import json
import os
import secrets
import sys
import threading
from collections.abc import Callable, Mapping
from urllib.parse import quote, urlsplit, urlunsplit

from headwater.auth.api_keys import hash_key, make_key
from scripts.deployment.cloud.failures import DeploymentError
from scripts.deployment.plan.installation import Installation
from scripts.deployment.resources.database import DATABASE, OWNER

PREFIX = "DEPLOY_"

_HINTS = {
    "DATABASE_ADMIN_URL": "the database as its owner, in session mode: postgresql://postgres.REF:…@HOST:5432/postgres",
    "AUTH_SECRET": "the secret shared with the issuer of tokens",
    "CLOUDFLARE_API_TOKEN": "a token by the template `Edit Cloudflare Workers`, for the pipeline",
}

# Of Cloud SQL they follow from what is made there; one that is given is another database's.
_URLS = ("DATABASE_ADMIN_URL", "DATABASE_URL")

_WORKER_SECRETS = ("AUTH_SECRET", "GOOGLE_SERVICE_ACCOUNT_KEY")


class Values:
    """The values of one run of `scripts/deploy`."""

    def __init__(
        self,
        wanted: Installation,
        environ: Mapping[str, str] = os.environ,
        ask: Callable[[str], str] | None = None,
    ) -> None:
        self._wanted = wanted
        self._environ = environ
        self._ask = ask or (getpass.getpass if sys.stdin.isatty() else _nobody)
        self._known: dict[str, str] = {}
        self._one_at_a_time = threading.RLock()

    def keep(self, name: str, text: str) -> None:
        """Take what a command has printed."""
        self._known[name] = text

    def get(self, name: str) -> str:
        """Give a value; raises DeploymentError for one that has to be asked for where nobody can be."""
        with self._one_at_a_time:
            if name not in self._known:
                self._known[name] = self._make(name)
            return self._known[name]

    def _make(self, name: str) -> str:
        is_ours = name in _URLS and bool(self._wanted.cloudsql_instance)
        if not is_ours and (given := self._environ.get(f"{PREFIX}{name}")):
            return _checked(name, given)
        generated: dict[str, Callable[[], str]] = {
            "SECRET_KEY": lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "DATABASE_OWNER_FLAGS": lambda: json.dumps({"--password": self.get("DATABASE_OWNER_PASSWORD")}),
            "DATABASE_OWNER_PASSWORD": lambda: secrets.token_urlsafe(32),
            "DATABASE_URL": self._database_url,
            "OWNER_KEY": make_key,
            "OWNER_KEY_HASH": lambda: hash_key(self.get("OWNER_KEY")).hex(),
            "WORKER_SECRETS": self._worker_secrets,
            "WORKLOAD_JWKS": lambda: json.dumps(json.loads(self.get("WORKLOAD_KEYS"))["public"]),
        }
        if not self._wanted.auth.issuer:
            generated["AUTH_SECRET"] = lambda: secrets.token_urlsafe(48)
        if self._wanted.cloudsql_instance:
            password = "DATABASE_OWNER_PASSWORD"
            generated["DATABASE_ADMIN_URL"] = lambda: self._socket_url(OWNER, self.get(password))
        if name in generated:
            return generated[name]()
        return _checked(name, self._ask(f"{name} ({_HINTS.get(name, 'it is stored in Secret Manager')}): "))

    def _database_url(self) -> str:
        """Give the URL of the role `app` with a new password, which migrations will give to that role."""
        password = secrets.token_urlsafe(32)
        if self._wanted.cloudsql_instance:
            return self._socket_url("app", password)
        return app_url(self.get("DATABASE_ADMIN_URL"), password)

    def _worker_secrets(self) -> str:
        """Give what is known of the Worker's secrets as `wrangler secret bulk` reads it."""
        known = {name: self._known[name] for name in _WORKER_SECRETS if name in self._known}
        if "WORKLOAD_KEYS" in self._known:
            known["WORKLOAD_KEY"] = json.dumps(json.loads(self._known["WORKLOAD_KEYS"])["private"])
        return json.dumps(known)

    def _socket_url(self, user: str, password: str) -> str:
        socket = f"/cloudsql/{self._wanted.cloudsql_instance}/.s.PGSQL.5432"
        return f"postgresql+pg8000://{user}:{password}@/{DATABASE}?unix_sock={quote(socket, safe='/')}"


def app_url(admin_url: str, password: str) -> str:
    """Derive the URL of the role `app` from the owner's.

    Supabase's pooler has the project in the user's name, and its transaction mode on another port:
    `postgres.ref@aws-0-eu.pooler.supabase.com:5432` gives `app.ref@aws-0-eu.pooler.supabase.com:6543`.
    """
    parts = urlsplit(admin_url)
    _, dot, reference = (parts.username or "").partition(".")
    pooled = (parts.hostname or "").endswith(".pooler.supabase.com")
    port = 6543 if pooled else parts.port
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    place = f"app{dot}{reference}:{quote(password, safe='')}@{host}" + (f":{port}" if port else "")
    query = parts.query or "sslmode=require"
    return urlunsplit((parts.scheme, place, parts.path, query, ""))


def _checked(name: str, value: str) -> str:
    """Refuse a value that can't work, before it is stored."""
    value = value.strip()
    wrong = ""
    if not value:
        wrong = "it is empty"
    elif name == "AUTH_SECRET" and len(value.encode()) < 32:
        wrong = "it must be of 32 bytes or more"
    elif name in ("DATABASE_URL", "DATABASE_ADMIN_URL"):
        wrong = _wrong_with_url(name, value)
    if wrong:
        raise DeploymentError(f"{name}: {wrong}", f"run again and give {_HINTS.get(name, 'another')}")
    return value


def _wrong_with_url(name: str, value: str) -> str:
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError as error:
        return f"it can't be read ({error})"
    is_app, is_admin = (parts.username or "").partition(".")[0] == "app", name == "DATABASE_ADMIN_URL"
    wrong = {
        "it is no URL of a Postgres database": not (
            parts.scheme.startswith("postgres") and parts.hostname and len(parts.path) > 1
        ),
        "it is a database of this machine": parts.hostname in ("127.0.0.1", "localhost", "::1"),
        "everything but migrations connects as the role app, which migrations make": not (is_admin or is_app),
        "migrations connect as the database's owner, with its password": is_admin and (is_app or not parts.password),
        "port 6543 is the pooler's transaction mode; migrations need session mode, port 5432": is_admin
        and port == 6543,
    }
    return next((what for what, is_so in wrong.items() if is_so), "")


def _nobody(question: str) -> str:
    name = question.partition(" ")[0]
    raise DeploymentError(
        f"{name} is needed, and there is no terminal to ask on", f"set the variable {PREFIX}{name}, then run again"
    )
