"""Call a function with `AUTH_MODE=jwt` in process, as several callers, on a real database."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import flask
import sqlalchemy as sa
from flask.testing import FlaskClient

from headwater.auth.api_keys import hash_key, make_key
from headwater.config import Settings
from headwater.database.transactions import Database
from headwater.web.app import App, LazyRoutes, Route
from tests.fakes.token_issuer import AUDIENCE, ISSUER, FakeIssuer
from tests.harness.databases import FreshDatabase, connected
from tests.harness.support import settings_for


def jwt_settings(database: FreshDatabase, issuer: FakeIssuer, **changes: Any) -> Settings:
    """Settings that accept an issuer's tokens."""
    values = {"auth_issuer": ISSUER, "auth_audience": (AUDIENCE,), "auth_jwks_url": issuer.url}
    return settings_for(database, **({"auth_mode": "jwt"} | values | changes))


class JwtApp:
    """An app, with clients for its callers."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        issuer: FakeIssuer,
        service: str,
        routes: Sequence[Route] | LazyRoutes,
    ):
        self.settings = settings
        self.database = database
        self.issuer = issuer
        self.app = App(service, settings, routes, database)
        self.server = flask.Flask(service)
        methods = ["GET", "POST", "DELETE", "PATCH", "PUT"]
        self.server.add_url_rule("/<path:path>", "all", lambda path: self.app(flask.request), methods=methods)

    def by(self, token: str, **headers: str) -> FlaskClient:
        """Return a client that sends a token or an API key."""
        client = self.server.test_client()
        all_headers = {"Authorization": f"Bearer {token}"} | headers
        client.environ_base |= {f"HTTP_{name.upper()}": value for name, value in all_headers.items()}
        return client

    def person(self, subject: str, **headers: str) -> FlaskClient:
        """Return a client that is signed in as `subject`."""
        return self.by(self.issuer.token(subject), **headers)

    def add_member(self, workspace_id: uuid.UUID | str, subject: str, role: str) -> None:
        """Insert a member."""
        self.rows(
            "insert into members (workspace_id, subject, role) values (:w, :s, :r)",
            scope=workspace_id,
            w=workspace_id,
            s=subject,
            r=role,
        )

    def add_key(self, workspace_id: uuid.UUID | str, role: str = "owner", **changes: Any) -> str:
        """Store an API key and return it."""
        key = make_key()
        values: dict[str, Any] = {"w": workspace_id, "hash": hash_key(key), "role": role, "scopes": []}
        values |= {"expires": None, "revoked": None, **changes}
        self.rows(
            """insert into api_keys (workspace_id, name, hash, hint, role, scopes, created_by, expires_at, revoked_at)
            values (:w, 'k', :hash, '', :role, :scopes, 'test', cast(cast(:expires as text) as timestamptz),
              cast(cast(:revoked as text) as timestamptz))""",
            scope=workspace_id,
            **values,
        )
        return key

    def rows(self, statement: str, *, scope: Any = "*", **values: Any) -> list[Any]:
        """Run one statement in a workspace, or in all of them, and return its rows as tuples."""
        with self.database.transaction(scope) as tx:
            result = tx.execute(sa.text(statement), values)
            return [tuple(row) for row in result] if result.returns_rows else []


@contextmanager
def running_jwt_app(
    fresh: FreshDatabase,
    issuer: FakeIssuer,
    service: str,
    routes: Callable[[Database], Sequence[Route] | LazyRoutes],
    **changes: Any,
) -> Iterator[JwtApp]:
    """Run an app with the routes that `routes` makes for its database."""
    with connected(fresh.url, 8) as database:
        yield JwtApp(jwt_settings(fresh, issuer, **changes), database, issuer, service, routes(database))
