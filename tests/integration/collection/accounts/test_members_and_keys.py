"""Members and API keys through the collection function's own routes, called by owners, keys and others."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask.testing import FlaskClient

from functions.collection.accounts.keys import NewApiKey, create_key
from functions.collection.accounts.routes import AccountRoutes
from headwater.auth.api_keys import hash_key, is_well_formed
from headwater.auth.callers import Caller
from headwater.errors import Forbidden
from tests.fakes.token_issuer import FakeIssuer, fake_issuer
from tests.harness.databases import FreshDatabase
from tests.harness.jwt_app import JwtApp, running_jwt_app


@pytest.fixture(scope="module")
def issuer() -> Iterator[FakeIssuer]:
    with fake_issuer() as made:
        yield made


@pytest.fixture
def app(database: FreshDatabase, issuer: FakeIssuer) -> Iterator[JwtApp]:
    with running_jwt_app(database, issuer, "collection", lambda opened: AccountRoutes(opened).routes()) as made:
        yield made


@pytest.fixture
def ada(app: JwtApp) -> FlaskClient:
    return app.by(app.issuer.token("ada", name="Ada"))


def ask(client: FlaskClient, method: str, path: str, status: int, body: Any = None) -> Any:
    response = client.open(path, method=method, json=body)
    assert response.status_code == status, response.data
    return response.get_json(silent=True)


def test_the_caller_is_told_who_they_are_and_where(app: JwtApp, ada: FlaskClient) -> None:
    me = ask(ada, "GET", "/api/me", 200)
    own = me["workspace_id"]
    assert me == {
        "subject": "ada",
        "name": "Ada",
        "role": "owner",
        "workspace_id": own,
        "workspaces": [{"id": own, "name": "Ada", "role": "owner"}],
        "scopes": [],
    }
    bobs = ask(app.person("bob"), "GET", "/api/me", 200)["workspace_id"]
    app.add_member(bobs, "ada", "reader")
    there = ask(app.person("ada", X_Workspace=bobs), "GET", "/api/me", 200)
    assert (there["role"], there["workspace_id"]) == ("reader", bobs)
    assert there["workspaces"] == [
        {"id": own, "name": "Ada", "role": "owner"},
        {"id": bobs, "name": "bob", "role": "reader"},
    ]


def test_a_member_is_added_changed_and_removed(app: JwtApp, ada: FlaskClient) -> None:
    added = ask(ada, "POST", "/api/members", 201, {"subject": "auth0|b/ob", "name": "Bob"})
    assert (added["subject"], added["role"], added["name"]) == ("auth0|b/ob", "reader", "Bob")
    bob = app.person("auth0|b/ob")
    assert ask(bob, "GET", "/api/me", 200)["role"] == "reader"
    assert "Ada" in ask(bob, "POST", "/api/members", 403, {"subject": "eve"})["detail"]
    path = "/api/members/auth0|b%2Fob"
    assert ask(ada, "PATCH", path, 200, {"role": "editor"})["role"] == "editor"
    assert ask(ada, "PATCH", path, 200, {"name": None})["name"] is None
    assert [m["subject"] for m in ask(ada, "GET", "/api/members", 200)["members"]] == ["ada", "auth0|b/ob"]
    ask(ada, "DELETE", path, 204)
    ask(ada, "DELETE", path, 404)
    ask(ada, "PATCH", path, 404, {"role": "owner"})
    assert ask(bob, "GET", "/api/me", 200)["role"] == "owner"  # of a workspace of his own


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"subject": "ada"}, 409),
        ({"subject": ""}, 422),
        ({"subject": "local"}, 422),
        ({"subject": "key:1"}, 422),
        ({"subject": "a\nb"}, 422),
        ({"subject": "bob", "role": "king"}, 422),
        ({"subject": "bob", "name": " "}, 422),
        ({"subject": "bob", "workspace_id": "x"}, 422),
    ],
)
def test_who_cannot_be_a_member_is_refused(ada: FlaskClient, body: Any, status: int) -> None:
    ask(ada, "POST", "/api/members", status, body)
    assert len(ask(ada, "GET", "/api/members", 200)["members"]) == 1


def test_the_last_owner_stays(app: JwtApp, ada: FlaskClient) -> None:
    ask(ada, "GET", "/api/me", 200)
    for method, body in (("DELETE", None), ("PATCH", {"role": "editor"})):
        assert "last owner" in ask(ada, method, "/api/members/ada", 409, body)["detail"]
    ask(ada, "PATCH", "/api/members/ada", 200, {"role": "owner", "name": "Ada L."})
    ask(ada, "POST", "/api/members", 201, {"subject": "bob", "role": "owner"})
    ask(ada, "DELETE", "/api/members/ada", 204)
    assert "last owner" in ask(app.person("bob"), "DELETE", "/api/members/bob", 409)["detail"]


def test_two_owners_who_remove_each_other_at_once_leave_one(app: JwtApp, ada: FlaskClient) -> None:
    for _ in range(5):
        workspace = ask(ada, "GET", "/api/me", 200)["workspace_id"]
        ask(ada, "POST", "/api/members", 201, {"subject": "bob", "role": "owner"})
        bob = app.person("bob", X_Workspace=workspace)
        with ThreadPoolExecutor(2) as pool:
            calls = [(ada, "/api/members/bob"), (bob, "/api/members/ada")]
            statuses = list(pool.map(lambda call: call[0].delete(call[1]).status_code, calls))
        [(left,)] = app.rows("select subject from members where workspace_id = :w", w=workspace)
        assert statuses.count(204) == 1, statuses
        app.rows("update members set subject = 'ada' where subject = :s", scope=workspace, s=left)


def test_a_key_is_told_once_and_only_its_hash_is_kept(app: JwtApp, ada: FlaskClient) -> None:
    response = ada.post("/api/keys", json={"name": "ci", "role": "editor", "expires_in_days": 1})
    assert response.status_code == 201
    assert response.headers["Cache-Control"] == "no-store"
    made = response.get_json()
    key = made.pop("key")
    assert is_well_formed(key)
    assert (made["hint"], made["created_by"], made["scopes"]) == (key[3:7], "ada", [])
    [listed] = ask(ada, "GET", "/api/keys", 200)["keys"]
    assert listed == made
    assert app.rows("select hash from api_keys") == [(hash_key(key),)]
    assert key[7:] not in str(app.rows("select * from api_keys"))
    me = ask(app.by(key), "GET", "/api/me", 200)
    assert (me["subject"], me["name"], me["role"]) == (f"key:{made['id']}", "ci", "editor")
    assert ask(ada, "GET", "/api/keys", 200)["keys"][0]["last_used_at"]


def test_a_revoked_key_ends_at_once_with_those_that_it_made(app: JwtApp, ada: FlaskClient) -> None:
    first = ask(ada, "POST", "/api/keys", 201, {"name": "first", "role": "owner"})
    second = ask(app.by(first["key"]), "POST", "/api/keys", 201, {"name": "second", "role": "owner"})
    third = ask(app.by(second["key"]), "POST", "/api/keys", 201, {"name": "third"})
    other = ask(ada, "POST", "/api/keys", 201, {"name": "other"})
    for _ in range(2):
        ask(ada, "DELETE", f"/api/keys/{first['id']}", 204)
    for ended in (first, second, third):
        ask(app.by(ended["key"]), "GET", "/api/me", 401)
    ask(app.by(other["key"]), "GET", "/api/me", 200)
    ask(ada, "DELETE", f"/api/keys/{uuid.uuid4()}", 404)


def test_what_a_member_may_no_longer_do_their_keys_may_not_either(app: JwtApp, ada: FlaskClient) -> None:
    ask(ada, "POST", "/api/members", 201, {"subject": "bob", "role": "owner"})
    bob = app.person("bob")
    keys = {
        role: ask(bob, "POST", "/api/keys", 201, {"name": role, "role": role}) for role in ("reader", "editor", "owner")
    }

    def usable() -> list[str]:
        return [role for role, made in keys.items() if app.by(made["key"]).get("/api/me").status_code == 200]

    ask(ada, "PATCH", "/api/members/bob", 200, {"role": "editor"})
    assert usable() == ["reader", "editor"]
    ask(ada, "DELETE", "/api/members/bob", 204)
    assert usable() == []


def test_who_is_removed_while_they_make_a_key_has_none(app: JwtApp, ada: FlaskClient) -> None:
    ask(ada, "POST", "/api/members", 201, {"subject": "bob", "role": "owner"})
    bob = Caller(uuid.UUID(ask(ada, "GET", "/api/me", 200)["workspace_id"]), "bob", "owner")
    ask(ada, "DELETE", "/api/members/bob", 204)  # since bob was let in
    with pytest.raises(Forbidden, match="just changed"), app.database.transaction(bob.workspace_id) as tx:
        create_key(tx, bob, NewApiKey("late"))


def test_a_key_makes_no_key_that_may_more_or_lives_longer_than_itself(app: JwtApp, ada: FlaskClient) -> None:
    body = {"name": "k", "role": "owner", "scopes": ["collection"], "expires_in_days": 2}
    limited = app.by(ask(ada, "POST", "/api/keys", 201, body)["key"])
    assert "can't create one" in ask(limited, "POST", "/api/keys", 403, {"name": "k", "scopes": ["chat"]})["detail"]
    made = ask(limited, "POST", "/api/keys", 201, {"name": "k", "expires_in_days": 300})
    assert made["scopes"] == ["collection"]
    [(outlives,)] = app.rows("select max(expires_at) > now() + interval '2 days' from api_keys")
    assert outlives is False


@pytest.mark.parametrize(
    "body",
    [
        {"name": ""},
        {"name": "k", "role": "admin"},
        {"name": "k", "scopes": ["edge"]},
        {"name": "k", "expires_in_days": 0},
        {"name": "k", "expires_in_days": 4000},
        {"name": "k", "key": "hw_x"},
    ],
)
def test_a_key_that_cannot_be_made_is_refused(ada: FlaskClient, body: Any) -> None:
    ask(ada, "POST", "/api/keys", 422, body)
    assert ask(ada, "GET", "/api/keys", 200)["keys"] == []


def test_another_workspaces_members_and_keys_are_out_of_reach(app: JwtApp, ada: FlaskClient) -> None:
    made = ask(ada, "POST", "/api/keys", 201, {"name": "k"})
    eve = app.person("eve")
    assert ask(eve, "GET", "/api/keys", 200)["keys"] == []
    ask(eve, "DELETE", f"/api/keys/{made['id']}", 404)
    ask(eve, "DELETE", "/api/members/ada", 404)
    assert [m["subject"] for m in ask(eve, "GET", "/api/members", 200)["members"]] == ["eve"]
    ask(app.by(made["key"]), "GET", "/api/me", 200)
