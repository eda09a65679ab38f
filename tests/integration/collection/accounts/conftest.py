"""Fixtures of the tests of accounts: the routes of members, keys and the audit log, and Ada, who owns a workspace."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from functions.collection.accounts.routes import AccountRoutes
from tests.fakes.token_issuer import FakeIssuer, fake_issuer
from tests.harness.databases import FreshDatabase
from tests.harness.jwt_app import JwtApp, running_jwt_app
from tests.harness.support import settings_for


@pytest.fixture(scope="module")
def issuer() -> Iterator[FakeIssuer]:
    with fake_issuer() as issuer:
        yield issuer


@pytest.fixture
def database(empty_database: FreshDatabase) -> FreshDatabase:
    return empty_database


@pytest.fixture
def app(database: FreshDatabase, issuer: FakeIssuer) -> Iterator[JwtApp]:
    with running_jwt_app(
        database, issuer, "collection", lambda db: AccountRoutes(db, settings_for(database)).routes()
    ) as app:
        yield app


@pytest.fixture
def ada(app: JwtApp) -> FlaskClient:
    return app.by(app.issuer.token("ada", name="Ada"))
