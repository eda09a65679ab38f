"""The audit log: each change leaves an entry, owners read it, nothing changes it."""

import datetime as dt
import json
import uuid
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.exc import ProgrammingError

from functions.collection.runs.retention import sweep
from headwater import logs
from headwater.database.migrations import register_model
from headwater.database.transactions import owner_transaction
from tests.harness.collection_app import CollectionClient
from tests.harness.databases import FreshDatabase
from tests.harness.jwt_app import JwtApp
from tests.harness.pipeline import Pipeline, Repository
from tests.harness.support import WORKSPACE

SECRET_KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
ALL_ENTRIES = "select workspace_id, actor, actor_name, action, target, target_name, details from audit_log order by id"


def entries(client: FlaskClient, **query: Any) -> list[dict[str, Any]]:
    """Return the audit log, oldest entries first."""
    response = client.get("/api/audit-log", query_string=query)
    assert response.status_code == 200, response.text
    listed: list[dict[str, Any]] = response.get_json()["entries"]
    return listed[::-1]


def told(entry: dict[str, Any]) -> tuple[Any, ...]:
    return entry["actor_name"], entry["action"], entry["target_name"], entry["details"]


def post(client: FlaskClient, path: str, body: Any) -> Any:
    response = client.post(path, json=body)
    assert response.status_code == 201, response.text
    return response.get_json()


def test_changes_of_members_and_keys_are_recorded_with_their_actor(app: JwtApp, ada: FlaskClient) -> None:
    workspace = ada.get("/api/me").get_json()["workspace_id"]
    first = post(ada, "/api/keys", {"name": "ci", "role": "owner"})
    by_key = app.by(first["key"], X_Request_Id="request-of-ci")
    post(by_key, "/api/members", {"subject": "bob", "role": "editor", "name": "Bob"})
    second = post(by_key, "/api/keys", {"name": "nightly", "scopes": ["chat"], "expires_in_days": 9})
    assert ada.patch("/api/members/bob", json={"role": "reader", "name": "Robert"}).status_code == 200
    assert ada.patch("/api/members/bob", json={"role": "reader", "name": "Robert"}).status_code == 200
    assert ada.delete("/api/members/bob").status_code == 204
    assert ada.delete(f"/api/keys/{first['id']}").status_code == 204
    log = entries(ada)
    assert [told(entry) for entry in log] == [
        ("Ada", "workspace.created", "Ada", {}),
        ("Ada", "key.created", "ci", {"role": "owner", "scopes": [], "expires_at": None}),
        ("ci", "member.added", "Bob", {"role": "editor"}),
        ("ci", "key.created", "nightly", {"role": "reader", "scopes": ["chat"], "expires_at": second["expires_at"]}),
        ("Ada", "member.changed", "Bob", {"new_name": "Robert"}),
        ("Ada", "member.changed", "Bob", {"role": "reader", "previous_role": "editor"}),
        ("Ada", "member.removed", "Robert", {"role": "reader"}),
        ("Ada", "key.revoked", "ci", {}),
        ("Ada", "key.revoked", "nightly", {}),
    ]
    added = log[2]
    assert (added["actor"], added["target"], added["request_id"]) == (f"key:{first['id']}", "bob", "request-of-ci")
    assert {row[0] for row in app.rows(ALL_ENTRIES, scope=workspace)} == {uuid.UUID(workspace)}
    assert first["key"] not in str(app.rows(ALL_ENTRIES, scope=workspace))


def test_members_and_keys_name_who_added_them(app: JwtApp, ada: FlaskClient) -> None:
    key = post(ada, "/api/keys", {"name": "ci", "role": "owner"})
    bob = post(app.by(key["key"]), "/api/members", {"subject": "bob"})
    assert (bob["added_by"], bob["added_by_name"]) == (f"key:{key['id']}", "ci")
    created = post(app.by(key["key"]), "/api/keys", {"name": "child"})
    assert (created["created_by"], created["created_by_name"]) == (f"key:{key['id']}", "ci")
    members = ada.get("/api/members").get_json()["members"]
    assert [(member["subject"], member["added_by_name"]) for member in members] == [("ada", None), ("bob", "ci")]


def test_refused_keys_are_recorded_once_an_hour(app: JwtApp, ada: FlaskClient) -> None:
    workspace = ada.get("/api/me").get_json()["workspace_id"]
    expired = app.add_key(workspace, expires="2000-01-01T00:00:00Z")
    revoked = post(ada, "/api/keys", {"name": "gone"})
    assert app.by(revoked["key"]).get("/api/me").status_code == 200
    ada.delete(f"/api/keys/{revoked['id']}")
    for _ in range(3):
        for key in (expired, revoked["key"]):
            assert app.by(key).get("/api/me").status_code == 401
    refused = entries(ada, action="key.refused")
    assert [told(entry) for entry in refused] == [
        ("k", "key.refused", "k", {"state": "expired"}),
        ("gone", "key.refused", "gone", {"state": "revoked"}),
    ]


def test_only_owners_read_the_audit_log_of_their_workspace(app: JwtApp, ada: FlaskClient) -> None:
    post(ada, "/api/members", {"subject": "bob", "role": "editor"})
    workspace = ada.get("/api/me").get_json()["workspace_id"]
    assert app.person("bob", X_Workspace=workspace).get("/api/audit-log").status_code == 403
    assert app.by(app.add_key(workspace, scopes=["chat", "collection"])).get("/api/audit-log").status_code == 403
    assert len(entries(app.by(app.add_key(workspace, scopes=["accounts"])))) == 2
    assert [told(entry) for entry in entries(app.person("eve"))] == [(None, "workspace.created", "eve", {})]


def test_audit_log_is_paged_and_filtered(app: JwtApp, ada: FlaskClient) -> None:
    for n in range(7):
        post(ada, "/api/members", {"subject": f"m{n}"})
    found: list[str] = []
    after: str | None = ""
    while after is not None:
        page = ada.get("/api/audit-log", query_string={"limit": 3, "after": after}).get_json()
        found += [entry["target"] for entry in page["entries"]]
        after = page["next"]
    workspace = ada.get("/api/me").get_json()["workspace_id"]
    assert found == [*(f"m{n}" for n in reversed(range(7))), workspace]
    assert [entry["target"] for entry in entries(ada, target="m3")] == ["m3"]
    assert len(entries(ada, action="member.added", actor="ada")) == 7
    assert entries(ada, actor="bob") == []
    middle = entries(ada, target="m3")[0]["at"]
    assert [entry["target"] for entry in entries(ada, since=middle)] == ["m3", "m4", "m5", "m6"]
    assert [entry["target"] for entry in entries(ada, until=middle)] == [workspace, "m0", "m1", "m2"]
    invalid = [{"after": "x"}, {"since": "yesterday"}, {"since": "2026-01-01T00:00:00"}, {"action": "all"}]
    out_of_range = [{"since": "0001-01-01T00:00:00+14:00"}, {"until": "9999-12-31T23:00:00-14:00"}]
    for query in (*invalid, *out_of_range):
        assert ada.get("/api/audit-log", query_string=query).status_code == 422


def test_change_that_fails_is_not_recorded(app: JwtApp, ada: FlaskClient, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    post(ada, "/api/members", {"subject": "bob"})
    assert ada.post("/api/members", json={"subject": "bob"}).status_code == 409
    assert ada.delete("/api/members/ada").status_code == 409
    assert [entry["action"] for entry in entries(ada)] == ["workspace.created", "member.added"]
    logged = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    audit = [entry for entry in logged if entry.get("action") == "audit"]
    assert [(entry["change"], entry["actor"], entry["target"]) for entry in audit][1:] == [
        ("member.added", "ada", "bob")
    ]
    assert audit[1]["request_id"] == entries(ada)[1]["request_id"]


def test_sources_are_recorded(pipeline: Pipeline, repository: Repository) -> None:
    repository.write({"a.md": "# A\n"})
    client = CollectionClient(pipeline.database, replace(pipeline.settings, secret_key=SECRET_KEY))
    new = {"kind": "git", "name": "docs", "config": {"url": repository.url}, "token": "s3cret-token"}
    source = client.post("/api/sources", new, 201)
    path = f"/api/sources/{source['id']}"
    client.patch(path, {"name": "Docs", "schedule": "0 3 * * *"})
    client.patch(path, {"token": "another-token", "paused": True})
    client.patch(path, {"token": None})
    client.delete(path)
    found = pipeline.rows("select actor, action, target, target_name, details from audit_log order by id")
    assert {(actor, target) for actor, _, target, _, _ in found} == {("local", source["id"])}
    assert [(action, name, details) for _, action, _, name, details in found] == [
        ("source.created", "docs", {"kind": "git"}),
        ("source.changed", "Docs", {"fields": ["name", "schedule"]}),
        ("source.token_changed", "Docs", {"removed": False}),
        ("source.changed", "Docs", {"fields": ["paused"]}),
        ("source.token_changed", "Docs", {"removed": True}),
        ("source.deleted", "Docs", {}),
    ]


def test_switch_of_the_embedding_model_is_recorded_in_every_workspace(app: JwtApp, database: FreshDatabase) -> None:
    clients = [app.person("ada"), app.person("eve")]
    for name in ("constant", "constant", "other"):
        register_model(database.admin_url, name, 2)
        for client in clients:
            client.get("/api/me")
    for client in clients:
        [switch] = entries(client, action="model.switched")
        assert (switch["actor"], switch["target"], switch["details"]) == (
            "deployment",
            "other",
            {"previous": "constant"},
        )


@pytest.mark.parametrize(
    "statement",
    [
        "update audit_log set actor = 'eve'",
        "delete from audit_log",
        "truncate audit_log",
        "drop table audit_log",
        "alter table audit_log disable row level security",
        "create trigger t before insert on audit_log for each row execute function refuse_move()",
        "insert into audit_log (id, workspace_id, actor, action, target) values (1, :w, 'a', 'b', 'c')",
    ],
)
def test_role_app_cannot_change_entries(app: JwtApp, ada: FlaskClient, statement: str) -> None:
    workspace = ada.get("/api/me").get_json()["workspace_id"]
    with pytest.raises(ProgrammingError), app.database.transaction(workspace) as tx:
        tx.execute(sa.text(statement), {"w": workspace})
    assert len(entries(ada)) == 1


def test_entries_stay_when_the_workspace_is_deleted(app: JwtApp, ada: FlaskClient) -> None:
    workspace = ada.get("/api/me").get_json()["workspace_id"]
    app.rows("delete from workspaces where id = :w", scope=workspace, w=workspace)
    assert len(app.rows(ALL_ENTRIES, scope=workspace)) == 1


def test_sweep_deletes_expired_entries_only(app: JwtApp, database: FreshDatabase, ada: FlaskClient) -> None:
    ada.get("/api/me")
    insert = """insert into audit_log (workspace_id, at, actor, action, target)
        select :w, now() - make_interval(days => n), 'a', 'member.added', n from generate_series(0, 400, 10) n"""
    with owner_transaction(database.admin_url) as tx:
        tx.execute(sa.text(insert), {"w": WORKSPACE})
    sweep(app.database, app.settings)
    kept = app.rows("select count(*), min(at) > now() - interval '365 days' from audit_log", scope=WORKSPACE)
    assert kept == [(37, True)]
    # Asked for all, the function keeps those of the last 30 days.
    assert app.rows("select delete_audit_entries(now() + interval '1 day', 1000)") == [(34,)]
    kept = app.rows("select target from audit_log order by at desc", scope=WORKSPACE)
    assert kept == [("0",), ("10",), ("20",)]


def test_times_are_those_of_the_database(app: JwtApp, ada: FlaskClient) -> None:
    ada.get("/api/me")
    [entry] = entries(ada)
    assert abs(dt.datetime.fromisoformat(entry["at"]) - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=1)
