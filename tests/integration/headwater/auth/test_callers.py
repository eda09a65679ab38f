"""Callers of tokens and API keys on a real database: workspaces, roles, scopes, and states of keys."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from headwater.auth.api_keys import make_key
from headwater.database.transactions import ALL_WORKSPACES, Database
from headwater.web.app import Call, Route
from tests.fakes.token_issuer import FakeIssuer, fake_issuer
from tests.harness.databases import FreshDatabase
from tests.harness.jwt_app import JwtApp, running_jwt_app


def describe_caller(call: Call) -> dict[str, Any]:
    caller = call.caller
    return {"workspace": caller.workspace_id, "subject": caller.subject, "role": caller.role}


def routes(_: Database) -> list[Route]:
    return [
        Route("GET", "/api/read", describe_caller, "Read"),
        Route("POST", "/api/edit", describe_caller, "Edit", access="editor"),
        Route("POST", "/api/own", describe_caller, "Own", access="owner"),
        Route("GET", "/api/any", describe_caller, "Any key", scope="any"),
    ]


@pytest.fixture(scope="module")
def issuer() -> Iterator[FakeIssuer]:
    with fake_issuer() as made:
        yield made


@pytest.fixture
def app(database: FreshDatabase, issuer: FakeIssuer) -> Iterator[JwtApp]:
    with running_jwt_app(database, issuer, "chat", routes) as made:
        yield made


def read_json(client: FlaskClient, path: str = "/api/read", status: int = 200, method: str = "GET") -> Any:
    response = client.open(path, method=method)
    assert response.status_code == status, response.data
    return response.get_json()


def test_first_sign_in_creates_a_workspace(app: JwtApp) -> None:
    ada = read_json(app.by(app.issuer.token("ada", name="Ada Lovelace")))
    assert (ada["subject"], ada["role"]) == ("ada", "owner")
    assert read_json(app.person("ada")) == ada
    assert read_json(app.person("eve"))["workspace"] != ada["workspace"]
    assert app.rows("select name from workspaces where id = :w", w=ada["workspace"]) == [("Ada Lovelace",)]


def test_concurrent_first_requests_create_one_workspace(app: JwtApp) -> None:
    clients = [app.person("ada") for _ in range(16)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(read_json, clients))
    assert len({answer["workspace"] for answer in answers}) == 1
    assert app.rows("select count(*) from workspaces") == [(1,)]
    assert app.rows("select subject, role from members") == [("ada", "owner")]


def test_removed_member_gets_a_new_workspace(app: JwtApp) -> None:
    first = read_json(app.person("ada"))["workspace"]
    app.add_member(first, "bob", "owner")
    app.rows("delete from members where subject = 'ada'", scope=first)
    with ThreadPoolExecutor(4) as pool:
        seconds = {answer["workspace"] for answer in pool.map(read_json, [app.person("ada") for _ in range(4)])}
    assert len(seconds) == 1
    assert first not in seconds
    assert "aren't a member" in read_json(app.person("ada", X_Workspace=first), status=403)["detail"]


def test_invited_sign_up_explains_how_to_join(database: FreshDatabase, issuer: FakeIssuer) -> None:
    with running_jwt_app(database, issuer, "chat", routes, sign_up="invited") as app:
        detail = read_json(app.person("ada"), status=403)["detail"]
        assert "POST /api/members" in detail
        assert "'ada'" in detail
        assert app.rows("select count(*) from workspaces") == [(0,)]


def test_member_selects_a_workspace_by_header(app: JwtApp) -> None:
    own, other = read_json(app.person("ada"))["workspace"], read_json(app.person("bob"))["workspace"]
    app.add_member(other, "ada", "reader")
    assert read_json(app.person("ada"))["workspace"] == own
    chosen = read_json(app.person("ada", X_Workspace=other))
    assert (chosen["workspace"], chosen["role"]) == (other, "reader")
    missing = read_json(app.person("bob", X_Workspace=own), status=403)
    unknown = read_json(app.person("bob", X_Workspace=str(uuid.UUID(int=9))), status=403)
    assert missing["detail"].replace(own, "W") == unknown["detail"].replace(str(uuid.UUID(int=9)), "W")
    read_json(app.person("ada", X_Workspace="mine"), status=400)


@pytest.mark.parametrize(("role", "may"), [("reader", 1), ("editor", 2), ("owner", 3)])
def test_role_includes_the_permissions_of_lower_roles(app: JwtApp, role: str, may: int) -> None:
    workspace = read_json(app.by(app.issuer.token("ada", name="Ada")))["workspace"]
    app.add_member(workspace, "bob", role)
    key = app.add_key(workspace, role)
    executed = [("/api/read", "GET"), ("/api/edit", "POST"), ("/api/own", "POST")]
    for n, (path, method) in enumerate(executed):
        for client in (app.person("bob"), app.by(key)):
            answer = read_json(client, path, 200 if n < may else 403, method)
            needed = ("reader", "editor", "owner")[n]
            assert n < may or f"requires the role {needed}" in answer["detail"]
        assert n < may or "Ada" in read_json(app.person("bob"), path, 403, method)["detail"]


def test_key_is_limited_to_its_workspace(app: JwtApp) -> None:
    workspace, other = read_json(app.person("ada"))["workspace"], read_json(app.person("bob"))["workspace"]
    key = app.add_key(workspace, "editor")
    answer = read_json(app.by(key))
    assert (answer["workspace"], answer["role"]) == (workspace, "editor")
    assert answer["subject"].startswith("key:")
    assert read_json(app.by(key, X_Workspace=workspace)) == answer
    read_json(app.by(key, X_Workspace=other), status=403)


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"expires": "2000-01-01T00:00:00Z"}, 401, "expired"),
        ({"revoked": "2000-01-01T00:00:00Z"}, 401, "revoked"),
        ({"expires": "2100-01-01T00:00:00Z"}, 200, ""),
        ({"scopes": ["collection", "embedding"]}, 403, "limited to collection, embedding"),
        ({"scopes": ["chat"]}, 200, ""),
    ],
)
def test_key_is_limited_by_expiry_revocation_and_scopes(
    app: JwtApp, changes: dict[str, Any], status: int, words: str
) -> None:
    key = app.add_key(read_json(app.person("ada"))["workspace"], **changes)
    assert words in read_json(app.by(key), status=status).get("detail", "")
    assert ("scopes" not in changes) or read_json(app.by(key), "/api/any")


def test_unknown_key_is_rejected(app: JwtApp) -> None:
    assert "valid API key" in read_json(app.by(make_key()), status=401)["detail"]


def test_malformed_key_is_rejected_without_the_database(issuer: FakeIssuer) -> None:
    nowhere = FreshDatabase("none", *(["postgresql+pg8000://app@127.0.0.1:9/none"] * 2))
    with running_jwt_app(nowhere, issuer, "chat", routes) as app:
        key = make_key()
        read_json(app.by(key), status=503)
        read_json(app.by(key[:-1] + ("a" if key[-1] != "a" else "b")), status=401)
        read_json(app.person("ada"), status=503)
        read_json(app.by(app.issuer.token("ada") + "x"), status=401)


def test_key_use_is_recorded_once_a_minute(app: JwtApp) -> None:
    workspace = read_json(app.person("ada"))["workspace"]
    key = app.add_key(workspace)
    used = "select last_used_at from api_keys"
    assert app.rows(used) == [(None,)]
    read_json(app.by(key))
    [(first,)] = app.rows(used)
    read_json(app.by(key))
    assert app.rows(used) == [(first,)]
    app.rows("update api_keys set last_used_at = last_used_at - interval '61 s'", scope=workspace)
    read_json(app.by(key))
    assert app.rows(used)[0][0] > first


def test_request_without_a_token_is_401(app: JwtApp) -> None:
    for authorization in ("", "Bearer", "Bearer ", "Basic YTpi", "Token x", "hw_x"):
        response = app.server.test_client().get("/api/read", headers={"Authorization": authorization})
        assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize("with_key", [False, True])
def test_caller_is_found_by_one_indexed_query(app: JwtApp, with_key: bool) -> None:
    workspace = read_json(app.person("ada"))["workspace"]
    client = app.by(app.add_key(workspace)) if with_key else app.person("ada")
    read_json(client)
    executed: list[tuple[str, Any]] = []
    sa.event.listen(app.database.engine, "before_cursor_execute", lambda *given: executed.append((given[2], given[3])))
    read_json(client)
    [(statement, values)] = executed
    with app.database.transaction(ALL_WORKSPACES) as tx:
        tx.execute(sa.text("set local enable_seqscan = off"))
        plan = str(tx.exec_driver_sql(f"explain {statement}", values).all())
    assert ("uq_api_keys_hash" if with_key else "ix_members_subject") in plan
