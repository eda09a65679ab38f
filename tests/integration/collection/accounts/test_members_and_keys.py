"""Routes of members and API keys, called by owners, members of other workspaces and API keys."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy.engine import Connection

from functions.collection.accounts.keys import NewApiKey, create_key, revoke_key
from functions.collection.accounts.members import (
    MemberChanges,
    NewMember,
    add_member,
    change_member,
    remove_member,
)
from headwater.auth.api_keys import hash_key, is_well_formed
from headwater.auth.callers import Caller
from headwater.errors import Forbidden
from tests.harness.jwt_app import JwtApp
from tests.harness.stacks import wait_until


def call(client: FlaskClient, method: str, path: str, status: int, body: Any = None) -> Any:
    """Call a route. Asserts the status and returns the JSON."""
    response = client.open(path, method=method, json=body)
    assert response.status_code == status, response.data
    return response.get_json(silent=True)


def test_me_describes_the_caller_and_their_workspaces(app: JwtApp, ada: FlaskClient) -> None:
    me = call(ada, "GET", "/api/me", 200)
    own_workspace = me["workspace_id"]
    assert me == {
        "subject": "ada",
        "name": "Ada",
        "role": "owner",
        "workspace_id": own_workspace,
        "workspaces": [{"id": own_workspace, "name": "Ada", "role": "owner"}],
        "scopes": [],
    }
    workspace_of_bob = call(app.person("bob"), "GET", "/api/me", 200)["workspace_id"]
    app.add_member(workspace_of_bob, "ada", "reader")
    me_there = call(app.person("ada", X_Workspace=workspace_of_bob), "GET", "/api/me", 200)
    assert (me_there["role"], me_there["workspace_id"]) == ("reader", workspace_of_bob)
    assert me_there["workspaces"] == [
        {"id": own_workspace, "name": "Ada", "role": "owner"},
        {"id": workspace_of_bob, "name": "bob", "role": "reader"},
    ]


def test_member_is_added_changed_and_removed(app: JwtApp, ada: FlaskClient) -> None:
    added = call(ada, "POST", "/api/members", 201, {"subject": "auth0|b/ob", "name": "Bob"})
    assert (added["subject"], added["role"], added["name"]) == ("auth0|b/ob", "reader", "Bob")
    bob = app.person("auth0|b/ob")
    assert call(bob, "GET", "/api/me", 200)["role"] == "reader"
    assert "Ada" in call(bob, "POST", "/api/members", 403, {"subject": "eve"})["detail"]
    path = "/api/members/auth0|b%2Fob"
    assert call(ada, "PATCH", path, 200, {"role": "editor"})["role"] == "editor"
    assert call(ada, "PATCH", path, 200, {"name": None})["name"] is None
    assert [member["subject"] for member in call(ada, "GET", "/api/members", 200)["members"]] == ["ada", "auth0|b/ob"]
    call(ada, "DELETE", path, 204)
    call(ada, "DELETE", path, 404)
    call(ada, "PATCH", path, 404, {"role": "owner"})
    assert call(bob, "GET", "/api/me", 200)["role"] == "owner"  # of Bob's own workspace


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
def test_invalid_member_is_rejected(ada: FlaskClient, body: Any, status: int) -> None:
    call(ada, "POST", "/api/members", status, body)
    assert len(call(ada, "GET", "/api/members", 200)["members"]) == 1


def test_last_owner_cannot_be_removed_or_demoted(app: JwtApp, ada: FlaskClient) -> None:
    call(ada, "GET", "/api/me", 200)
    for method, body in (("DELETE", None), ("PATCH", {"role": "editor"})):
        assert "last owner" in call(ada, method, "/api/members/ada", 409, body)["detail"]
    call(ada, "PATCH", "/api/members/ada", 200, {"role": "owner", "name": "Ada L."})
    call(ada, "POST", "/api/members", 201, {"subject": "bob", "role": "owner"})
    call(ada, "DELETE", "/api/members/ada", 204)
    assert "last owner" in call(app.person("bob"), "DELETE", "/api/members/bob", 409)["detail"]


def test_owners_who_remove_each_other_concurrently_leave_one(app: JwtApp, ada: FlaskClient) -> None:
    for _ in range(5):
        workspace = call(ada, "GET", "/api/me", 200)["workspace_id"]
        call(ada, "POST", "/api/members", 201, {"subject": "bob", "role": "owner"})
        bob = app.person("bob", X_Workspace=workspace)
        with ThreadPoolExecutor(2) as pool:
            deletes = [(ada, "/api/members/bob"), (bob, "/api/members/ada")]
            statuses = list(pool.map(lambda delete: delete[0].delete(delete[1]).status_code, deletes))
        [(owner,)] = app.rows("select subject from members where workspace_id = :w", w=workspace)
        assert statuses.count(204) == 1, statuses
        app.rows("update members set subject = 'ada' where subject = :s", scope=workspace, s=owner)


def test_key_is_returned_once_and_stored_as_a_hash(app: JwtApp, ada: FlaskClient) -> None:
    response = ada.post("/api/keys", json={"name": "ci", "role": "editor", "expires_in_days": 1})
    assert response.status_code == 201
    assert response.headers["Cache-Control"] == "no-store"
    created = response.get_json()
    key = created.pop("key")
    assert is_well_formed(key)
    assert (created["hint"], created["created_by"], created["scopes"]) == (key[3:7], "ada", [])
    assert created["created_by_name"] == "Ada"
    [listed] = call(ada, "GET", "/api/keys", 200)["keys"]
    assert listed == created
    assert app.rows("select hash from api_keys") == [(hash_key(key),)]
    assert key[7:] not in str(app.rows("select * from api_keys"))
    me = call(app.by(key), "GET", "/api/me", 200)
    assert (me["subject"], me["name"], me["role"]) == (f"key:{created['id']}", "ci", "editor")
    assert call(ada, "GET", "/api/keys", 200)["keys"][0]["last_used_at"]


def test_revoking_a_key_revokes_the_keys_it_created(app: JwtApp, ada: FlaskClient) -> None:
    first = call(ada, "POST", "/api/keys", 201, {"name": "first", "role": "owner"})
    second = call(app.by(first["key"]), "POST", "/api/keys", 201, {"name": "second", "role": "owner"})
    third = call(app.by(second["key"]), "POST", "/api/keys", 201, {"name": "third"})
    other = call(ada, "POST", "/api/keys", 201, {"name": "other"})
    for _ in range(2):
        call(ada, "DELETE", f"/api/keys/{first['id']}", 204)
    for revoked in (first, second, third):
        call(app.by(revoked["key"]), "GET", "/api/me", 401)
    call(app.by(other["key"]), "GET", "/api/me", 200)
    call(ada, "DELETE", f"/api/keys/{uuid.uuid4()}", 404)


def test_keys_of_a_demoted_or_removed_member_stop_working(app: JwtApp, ada: FlaskClient) -> None:
    call(ada, "POST", "/api/members", 201, {"subject": "bob", "role": "owner"})
    bob = app.person("bob")
    keys = {
        role: call(bob, "POST", "/api/keys", 201, {"name": role, "role": role})
        for role in ("reader", "editor", "owner")
    }

    def usable() -> list[str]:
        return [role for role, key in keys.items() if app.by(key["key"]).get("/api/me").status_code == 200]

    call(ada, "PATCH", "/api/members/bob", 200, {"role": "editor"})
    assert usable() == ["reader", "editor"]
    call(ada, "DELETE", "/api/members/bob", 204)
    assert usable() == []


def test_removed_member_cannot_create_a_key(app: JwtApp, ada: FlaskClient) -> None:
    call(ada, "POST", "/api/members", 201, {"subject": "bob", "role": "owner"})
    bob = Caller(uuid.UUID(call(ada, "GET", "/api/me", 200)["workspace_id"]), "bob", "owner")
    call(ada, "DELETE", "/api/members/bob", 204)  # after Bob's request was authorised
    with pytest.raises(Forbidden, match="just changed"), app.database.transaction(bob.workspace_id) as tx:
        create_key(tx, bob, NewApiKey("late"))


def test_key_creation_waits_for_a_concurrent_removal(app: JwtApp, ada: FlaskClient) -> None:
    call(ada, "POST", "/api/members", 201, {"subject": "bob", "role": "owner"})
    bob = Caller(uuid.UUID(call(ada, "GET", "/api/me", 200)["workspace_id"]), "bob", "owner")

    def create() -> None:
        with app.database.transaction(bob.workspace_id) as tx:
            create_key(tx, bob, NewApiKey("late"))

    with ThreadPoolExecutor(1) as pool:
        with app.database.transaction(bob.workspace_id) as tx:
            remove_member(tx, Caller(bob.workspace_id, "ada", "owner"), "bob")
            creation = pool.submit(create)
            blocked = "select count(*) from pg_locks where not granted"
            wait_until(lambda: creation.done() or app.rows(blocked) != [(0,)])
        with pytest.raises(Forbidden, match="just changed"):
            creation.result(30)
    assert app.rows("select count(*) from api_keys") == [(0,)]


def test_key_creates_only_keys_within_its_scopes_and_expiry(app: JwtApp, ada: FlaskClient) -> None:
    body = {"name": "k", "role": "owner", "scopes": ["accounts", "collection"], "expires_in_days": 2}
    limited = app.by(call(ada, "POST", "/api/keys", 201, body)["key"])
    for scopes in (["chat"], ["collection", "chat"], ["accounts", "chat", "collection", "embedding"]):
        problem = call(limited, "POST", "/api/keys", 403, {"name": "k", "scopes": scopes})
        assert "can't create one" in problem["detail"]
    created = call(limited, "POST", "/api/keys", 201, {"name": "k", "expires_in_days": 300})
    assert created["scopes"] == ["accounts", "collection"]
    call(limited, "POST", "/api/keys", 201, {"name": "k", "scopes": ["collection"], "expires_in_days": None})
    [(outlives,)] = app.rows("select max(expires_at) > now() + interval '2 days' from api_keys")
    assert outlives is False


ACCOUNT_CALLS = [
    ("GET", "/api/members", None),
    ("POST", "/api/members", {"subject": "eve", "role": "owner"}),
    ("PATCH", "/api/members/bob", {"role": "owner"}),
    ("PATCH", "/api/members/bob", {"name": "B."}),
    ("DELETE", "/api/members/bob", None),
    ("GET", "/api/keys", None),
    ("POST", "/api/keys", {"name": "k"}),
    ("DELETE", f"/api/keys/{uuid.UUID(int=1)}", None),
    ("GET", "/api/audit-log", None),
]


@pytest.mark.parametrize("scopes", [["collection"], ["chat", "embedding"], ["chat", "collection", "embedding"]])
def test_key_without_the_scope_accounts_cannot_read_or_change_accounts(
    app: JwtApp, ada: FlaskClient, scopes: list[str]
) -> None:
    call(ada, "POST", "/api/members", 201, {"subject": "bob"})
    body = {"name": "k", "role": "owner", "scopes": scopes}
    key = app.by(call(ada, "POST", "/api/keys", 201, body)["key"])
    stored = "select subject, role from members union all select name, cast(revoked_at as text) from api_keys"
    before = sorted(app.rows(stored))
    for method, path, body_of_call in ACCOUNT_CALLS:
        detail = call(key, method, path, 403, body_of_call)["detail"]
        assert detail == f"The API key is limited to {', '.join(scopes)}. Use a key with the scope accounts."
    assert sorted(app.rows(stored)) == before


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"scopes": ["accounts"]}, "is limited to accounts"),
        ({"scopes": ["accounts", "chat", "collection", "embedding"]}, "is limited to accounts, chat"),
        ({"expires_in_days": 1}, "expires on 20"),
        ({"scopes": ["accounts"], "expires_in_days": 1}, "is limited to accounts"),
    ],
)
def test_limited_key_cannot_add_members_or_raise_their_roles(
    app: JwtApp, ada: FlaskClient, limits: dict[str, Any], reason: str
) -> None:
    call(ada, "POST", "/api/members", 201, {"subject": "bob", "role": "editor"})
    limited = app.by(call(ada, "POST", "/api/keys", 201, {"name": "k", "role": "owner", **limits})["key"])
    for role in ("reader", "owner"):
        refused = call(limited, "POST", "/api/members", 403, {"subject": f"new {role}", "role": role})
        assert reason in refused["detail"]
    assert reason in call(limited, "PATCH", "/api/members/bob", 403, {"role": "owner", "name": "B."})["detail"]
    members = call(ada, "GET", "/api/members", 200)["members"]
    assert [(member["subject"], member["role"], member["name"]) for member in members] == [
        ("ada", "owner", "Ada"),
        ("bob", "editor", None),
    ]
    # What grants nothing is allowed.
    assert call(limited, "PATCH", "/api/members/bob", 200, {"role": "reader", "name": "Bob"})["role"] == "reader"
    call(limited, "DELETE", "/api/members/bob", 204)


def test_key_without_limits_adds_members(app: JwtApp, ada: FlaskClient) -> None:
    key = app.by(call(ada, "POST", "/api/keys", 201, {"name": "k", "role": "owner"})["key"])
    call(key, "POST", "/api/members", 201, {"subject": "bob"})
    assert call(key, "PATCH", "/api/members/bob", 200, {"role": "owner"})["role"] == "owner"


@pytest.mark.parametrize("loss", ["removed", "demoted", "revoked", "expired"])
def test_caller_who_has_lost_its_rights_cannot_change_accounts(app: JwtApp, ada: FlaskClient, loss: str) -> None:
    """The rights are lost after the request was authorised."""
    workspace = uuid.UUID(call(ada, "GET", "/api/me", 200)["workspace_id"])
    call(ada, "POST", "/api/members", 201, {"subject": "bob", "role": "owner"})
    key = call(ada, "POST", "/api/keys", 201, {"name": "k", "role": "owner"})
    if loss == "removed":
        call(ada, "DELETE", "/api/members/bob", 204)
    elif loss == "demoted":
        call(ada, "PATCH", "/api/members/bob", 200, {"role": "editor"})
    elif loss == "revoked":
        call(ada, "DELETE", f"/api/keys/{key['id']}", 204)
    else:
        app.rows("update api_keys set expires_at = now() - interval '1 s'", scope=workspace)
    subject = "bob" if loss in ("removed", "demoted") else f"key:{key['id']}"
    late = Caller(workspace, subject, "owner")
    before = app.rows("select * from members"), app.rows("select * from api_keys")
    changes: list[Callable[[Connection], object]] = [
        lambda tx: add_member(tx, late, NewMember("eve", "owner")),
        lambda tx: change_member(tx, late, "ada", MemberChanges("reader")),
        lambda tx: remove_member(tx, late, "ada"),
        lambda tx: create_key(tx, late, NewApiKey("late")),
        lambda tx: revoke_key(tx, late, uuid.UUID(key["id"])),
    ]
    for change in changes:
        with pytest.raises(Forbidden, match="just changed"), app.database.transaction(workspace) as tx:
            change(tx)
    assert before == (app.rows("select * from members"), app.rows("select * from api_keys"))


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
def test_invalid_key_is_rejected(ada: FlaskClient, body: Any) -> None:
    call(ada, "POST", "/api/keys", 422, body)
    assert call(ada, "GET", "/api/keys", 200)["keys"] == []


def test_members_and_keys_of_another_workspace_are_not_found(app: JwtApp, ada: FlaskClient) -> None:
    key = call(ada, "POST", "/api/keys", 201, {"name": "k"})
    eve = app.person("eve")
    assert call(eve, "GET", "/api/keys", 200)["keys"] == []
    call(eve, "DELETE", f"/api/keys/{key['id']}", 404)
    call(eve, "DELETE", "/api/members/ada", 404)
    assert [member["subject"] for member in call(eve, "GET", "/api/members", 200)["members"]] == ["eve"]
    call(app.by(key["key"]), "GET", "/api/me", 200)
